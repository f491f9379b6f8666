#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::size_t named_tensor::size() const
{
    std::size_t product = 1;
    for (const std::size_t extent : shape)
        product *= extent;
    return product;
}

namespace detail {

// All values of a tensor with a decoder, as an array of its dtype.
inline std::unique_ptr<std::byte[]> decoded_values(const named_tensor& tensor)
{
    constexpr std::size_t tile = 65536;
    const std::size_t count = tensor.size(), element = bits_of(tensor.dtype) / 8;
    std::unique_ptr<std::byte[]> values(new std::byte[count * element]);  // new aligns for every scalar
    parallel_for((count + tile - 1) / tile, [&](std::size_t i) {
        const std::size_t first = i * tile, last = std::min(count, first + tile);
        tensor.decoder->decode(first, {values.get() + first * element, (last - first) * element});
    });
    return values;
}

WEIGHTSCOPE_INLINE value_bytes::value_bytes(const named_tensor& tensor, std::size_t alignment) : data_(tensor.bytes.data())
{
    if (tensor.decoder) {
        copy_ = decoded_values(tensor);
    } else if (reinterpret_cast<std::uintptr_t>(data_) % alignment != 0) {
        copy_.reset(new std::byte[tensor.bytes.size()]);
        std::copy(tensor.bytes.begin(), tensor.bytes.end(), copy_.get());
    }
    if (copy_)
        data_ = copy_.get();
}

WEIGHTSCOPE_INLINE std::vector<std::byte> value_bytes_of(const named_tensor& tensor)
{
    return read_verified(tensor.file.get(), [&] {
        const value_bytes values(tensor, 1);
        return std::vector<std::byte>(values.data(), values.data() + tensor.size() * bits_of(tensor.dtype) / 8);
    });
}

WEIGHTSCOPE_INLINE void require_visitable(const named_tensor& tensor)
{
    require(is_numeric(tensor.dtype),
            "visit(tensor '{}'): {} elements are listed, not analysed; expected a numeric dtype",
            printable(tensor.name), tensor.storage());
    require(tensor.decoder || tensor.bytes.size() == tensor.size() * (bits_of(tensor.dtype) / 8),
            "visit(tensor '{}'): {} bytes do not hold {} elements of {}", printable(tensor.name), tensor.bytes.size(),
            tensor.size(), to_string(tensor.dtype));
}

}  // namespace detail

}  // namespace weightscope
