#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

// Codes as they lie in memory, side by side, the first one in the lowest bits: of 8, 16, 32 or 64 bits aligned, else of less than 8.
struct bit_codes
{
    const std::byte* data = nullptr;
    std::size_t size = 0;
    bit_layout layout = {};

    std::uint64_t at(std::size_t i) const
    {
        if (layout.bits % 8 == 0) {
            std::uint64_t code = 0;
            std::memcpy(&code, data + i * (layout.bits / 8), layout.bits / 8);
            return code;
        }
        const std::size_t first = i * layout.bits, place = first % 8;
        unsigned code = std::to_integer<unsigned>(data[first / 8]) >> place;
        if (place + layout.bits > 8)
            code |= std::to_integer<unsigned>(data[first / 8 + 1]) << (8 - place);
        return code & bit_mask(layout.bits);
    }
    template <class T>
    std::span<const T> as() const
    {
        return {reinterpret_cast<const T*>(data), size};
    }
};

struct bit_code_count
{
    std::uint64_t code = 0, count = 0;
};

// How often each code of up to 16 bits occurs, by code.
WEIGHTSCOPE_INLINE std::vector<std::uint64_t> count_bit_codes(const bit_codes& codes);

// For each bit the first code that has it in `wanted`, which is by code; not there where there is none. In the order of the codes
// until all are found: frequent ones are found soon, and those that are left are few enough to be compared with many codes at once.
WEIGHTSCOPE_INLINE std::vector<std::size_t> find_bit_codes(const bit_codes& codes, const std::vector<std::uint16_t>& wanted);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/bit_codes.hpp>
#endif
