#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/value_decoder.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

// The bytes of one storage: where they lie in the file, or the deflated entry that holds them.
struct torch_storage
{
    std::span<const std::byte> bytes = {};  // as they lie in the file, deflated or not
    std::uint64_t offset = 0;               // of these in the file
    std::uint64_t size = 0;                 // of the storage
    std::shared_ptr<const mapped_file> file = {};
    std::shared_ptr<zip_cache> deflated = {};  // null: it is not
    zip_entry entry = {};                      // if deflated
    bool big_endian = false;
};

// Copies `count` elements of `Size` bytes that lie `stride` bytes apart.
template <std::size_t Size>
void copy_strided(const std::byte* from, std::size_t stride, std::size_t count, std::byte* to, bool reversed)
{
    for (std::size_t i = 0; i < count; ++i, from += stride, to += Size) {
        std::array<std::byte, Size> element;
        std::memcpy(element.data(), from, Size);
        if (reversed)
            std::reverse(element.begin(), element.end());
        std::memcpy(to, element.data(), Size);
    }
}

// Elements of a storage at any strides, of either order of bytes, deflated or not.
class torch_view_decoder : public value_decoder
{
public:
    // first: byte of the storage where element 0 lies; strides in bytes
    torch_view_decoder(torch_storage storage, std::uint64_t first, std::size_t element_bytes, std::vector<std::size_t> shape,
                       std::vector<std::uint64_t> strides);

    void decode(std::size_t first, std::span<std::byte> out) const override;

private:
    void copy_elements(const std::byte* base, std::size_t first, std::span<std::byte> out) const;

    void copy(const std::byte* from, std::size_t count, std::byte* to) const;

    torch_storage storage_;
    std::uint64_t first_;
    std::size_t element_bytes_;
    std::vector<std::size_t> shape_;
    std::vector<std::uint64_t> strides_;
};

// What quantized codes stand for: (code - zero_point) * scale in float, as PyTorch defines dequantize().
class torch_quantized_decoder : public value_decoder
{
public:
    // scales and zero_points: empty, or one for each index along `axis`
    torch_quantized_decoder(named_tensor codes, double scale, std::int64_t zero_point);
    torch_quantized_decoder(named_tensor codes, named_tensor scales, named_tensor zero_points, std::size_t axis);

    void decode(std::size_t first, std::span<std::byte> out) const override;

private:
    double code(const std::vector<std::byte>& codes, std::size_t i) const;

    named_tensor codes_;
    double scale_ = 0, zero_point_ = 0;
    std::optional<named_tensor> scales_, zero_points_;
    std::size_t run_;  // elements in a row that share scale and zero point
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_view.hpp>
#endif
