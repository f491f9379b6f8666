#pragma once

#include <cstddef>
#include <span>

namespace weightscope {

/// Makes the values of a tensor whose bytes are no plain array of them: blocks of codes with scales, elements in another order of
/// bytes or of axes, a compressed entry of an archive. A reader of such files derives from it; see named_tensor::decoder.
class value_decoder
{
public:
    value_decoder() = default;
    value_decoder(const value_decoder&) = delete;
    value_decoder& operator=(const value_decoder&) = delete;
    virtual ~value_decoder() = default;

    /// Writes the elements from number `first` on, in row-major order, as little-endian values of the tensor's dtype, as many as fit
    /// into `out`. Called from several threads at once, on parts that may begin anywhere and are some 65,536 elements long.
    ///
    /// @param out  a whole number of elements, which the tensor has, aligned for them
    /// @throws io_error  the file turns out to be damaged, at the byte that it names
    virtual void decode(std::size_t first, std::span<std::byte> out) const = 0;

    /// True if two tensors of one encoding, one dtype and one shape whose bytes are equal have equal values.
    [[nodiscard]] virtual bool determined_by_bytes() const { return false; }
};

}  // namespace weightscope
