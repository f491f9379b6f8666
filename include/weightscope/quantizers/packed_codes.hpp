#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope {

/// Codes without the bits that they do not use: code i takes the bits from i · bits on, lowest first, of a run of bytes, as the
/// `bits` lowest of its two's complement. Four-bit codes so lie two to a byte, the first in the low half.
///
/// @param codes  a range of integers, each of -2^(bits-1) .. 2^(bits-1) - 1
/// @param bits   2 to 8 or 16
/// @return       as many bytes as the codes need; the bits left over are 0
/// @throws std::invalid_argument  bits out of range, or a code that they do not hold
/// @note rows of a matrix are packed one by one, so that each begins with a byte: see storage_bytes
template <std::ranges::sized_range Codes>
    requires std::signed_integral<std::ranges::range_value_t<Codes>>
[[nodiscard]] std::vector<std::uint8_t> pack_codes(const Codes& codes, int bits)
{
    require((bits >= 2 && bits <= 8) || bits == 16, "pack_codes(codes, bits): bits is {}, expected 2 to 8 or 16", bits);
    const int lowest = -(1 << (bits - 1)), highest = -lowest - 1;
    const auto mask = static_cast<std::uint32_t>((1 << bits) - 1);
    std::vector<std::uint8_t> packed(detail::packed_bytes(static_cast<std::size_t>(std::ranges::size(codes)), bits));
    std::uint32_t waiting = 0;  // bits not yet written
    int waiting_bits = 0;
    std::size_t byte = 0;
    for (const auto code : codes) {
        require(code >= lowest && code <= highest, "pack_codes(codes, bits): a code is {}, expected {} to {} for {} bits",
                static_cast<long long>(code), lowest, highest, bits);
        waiting |= (static_cast<std::uint32_t>(code) & mask) << waiting_bits;
        for (waiting_bits += bits; waiting_bits >= 8; waiting_bits -= 8, waiting >>= 8)
            packed[byte++] = static_cast<std::uint8_t>(waiting);
    }
    if (waiting_bits > 0)
        packed[byte] = static_cast<std::uint8_t>(waiting);
    return packed;
}

/// The codes that `pack_codes` packed.
///
/// @param packed  what pack_codes returned
/// @param bits    what pack_codes was given
/// @param count   of codes
/// @throws std::invalid_argument  bits out of range, or `packed` is not as long as `count` codes are
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::int16_t> unpack_codes(std::span<const std::uint8_t> packed, int bits, std::size_t count);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/packed_codes.hpp>
#endif
