#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void plain_bit_view::read(std::size_t first, std::uint64_t mask, std::span<double> out) const
{
    with_scalar(type_, [&]<class T>(std::type_identity<T>) {
        using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                        std::conditional_t<sizeof(T) == 4, std::uint32_t, std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
        const std::byte* from = data_ + first * sizeof(T);
        for (std::size_t i = 0; i < out.size(); ++i) {
            bits code;
            std::memcpy(&code, from + i * sizeof(T), sizeof code);
            code = static_cast<bits>(code ^ static_cast<bits>(mask));
            T value;
            std::memcpy(&value, &code, sizeof value);
            out[i] = static_cast<double>(value);
        }
    });
}

WEIGHTSCOPE_INLINE std::uint64_t packed_bit_view::code(std::size_t element) const
{
    std::uint64_t result = 0;
    for (std::size_t i = 0, at = element * layout_.bits; i < layout_.bits; ++i, ++at)
        result |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes_[at / 8]) >> at % 8 & 1) << i;
    return result;
}

WEIGHTSCOPE_INLINE void packed_bit_view::read(std::size_t first, std::uint64_t mask, std::span<double> out) const
{
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = value_of_code(layout_, code(first + i) ^ mask);
}

WEIGHTSCOPE_INLINE block_bit_view::block_bit_view(const ggml_type& type, std::span<const std::byte> bytes)
    : anatomy_(type), bytes_(reinterpret_cast<const std::uint8_t*>(bytes.data()))
{
}

WEIGHTSCOPE_INLINE void block_bit_view::values(std::size_t first, std::span<double> out) const
{
    read(first, out, [&](const std::uint8_t* block, std::span<float> floats) { anatomy_.decode(block, floats); });
}

WEIGHTSCOPE_INLINE void block_bit_view::flipped(std::size_t first, std::size_t part, unsigned bit, std::span<double> out) const
{
    read(first, out, [&](const std::uint8_t* block, std::span<float> floats) { anatomy_.decode_flipped(block, part, bit, floats); });
}

}  // namespace weightscope::detail
