#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/scale_rules.hpp>

namespace weightscope::detail {

// 2^(code - 127)
[[gnu::always_inline]] inline float power_of_two(std::int32_t code)
{
    return std::bit_cast<float>(code < 1 ? std::int32_t{0x00400000} : code > 254 ? std::int32_t{254 << 23} : code << 23);
}

// Scales of groups whose largest weights are `high`: powers of two, by the rule of `n`.
[[gnu::always_inline]] inline void power_scales(const grid_numbers& n, const float* __restrict high, std::size_t groups, float* __restrict s)
{
    const int e = n.highest_exponent, half = 1 << (22 - n.mantissa_bits);
    const float one_over_top = static_cast<float>(1 / static_cast<double>(n.top));
    switch (n.base) {
    case scale_base::power_ceil:
        for (std::size_t g = 0; g < groups; ++g) {
            const auto bits = std::bit_cast<std::int32_t>(high[g]);
            s[g] = power_of_two((bits >> 23) + ((bits & 0x7fffff) != 0) - e);
        }
        return;
    case scale_base::power_up:
        for (std::size_t g = 0; g < groups; ++g) {
            const float wanted = high[g] * one_over_top;
            const auto bits = std::bit_cast<std::int32_t>(wanted);
            const std::int32_t rest = bits & 0x7fffff, least = bits >> 23 == 0 ? 0x400000 : 0;
            s[g] = power_of_two((bits >> 23) + (rest > least));
        }
        return;
    case scale_base::power_even:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_of_two(((std::bit_cast<std::int32_t>(high[g]) + half) >> 23) - e);
        return;
    default:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_of_two((std::bit_cast<std::int32_t>(high[g]) >> 23) - e);
    }
}

}  // namespace weightscope::detail
