#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/value_reading.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void copy_values(const named_tensor& tensor, std::size_t first, std::span<std::byte> out)
{
    if (tensor.decoder)
        tensor.decoder->decode(first, out);
    else if (!out.empty())
        std::memcpy(out.data(), tensor.bytes.data() + first * (bits_of(tensor.dtype) / 8), out.size());
}

WEIGHTSCOPE_INLINE double value_at(const named_tensor& tensor, std::size_t i)
{
    return with_scalar(tensor.dtype, [&]<class T>(std::type_identity<T>) {
        T value{};
        copy_values(tensor, i, std::as_writable_bytes(std::span(&value, 1)));
        return static_cast<double>(value);
    });
}

}  // namespace weightscope::detail
