#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/packed_codes.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<std::int16_t> unpack_codes(std::span<const std::uint8_t> packed, int bits, std::size_t count)
{
    require((bits >= 2 && bits <= 8) || bits == 16, "unpack_codes(packed, bits, count): bits is {}, expected 2 to 8 or 16", bits);
    require(packed.size() == detail::packed_bytes(count, bits),
            "unpack_codes(packed, bits, count): packed has {} bytes, expected {} for {} codes of {} bits", packed.size(),
            detail::packed_bytes(count, bits), count, bits);
    const auto mask = static_cast<std::uint32_t>((1 << bits) - 1), sign = static_cast<std::uint32_t>(1 << (bits - 1));
    std::vector<std::int16_t> codes(count);
    std::uint32_t waiting = 0;
    int waiting_bits = 0;
    std::size_t byte = 0;
    for (std::int16_t& code : codes) {
        for (; waiting_bits < bits; waiting_bits += 8)
            waiting |= static_cast<std::uint32_t>(packed[byte++]) << waiting_bits;
        code = static_cast<std::int16_t>(static_cast<int>((waiting & mask) ^ sign) - static_cast<int>(sign));
        waiting >>= bits;
        waiting_bits -= bits;
    }
    return codes;
}

}  // namespace weightscope
