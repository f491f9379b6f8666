#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <weightscope/core/device.hpp>
#include <weightscope/core/scalar_format.hpp>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/scale_rules.hpp>

namespace weightscope::detail {

// 2^(code - 127)
[[gnu::always_inline]] WEIGHTSCOPE_HOST_DEVICE inline float power_of_two(std::int32_t code)
{
    return bits_as<float>(code < 1 ? std::int32_t{0x00400000} : code > 254 ? std::int32_t{254 << 23} : code << 23);
}

// floor of the logarithm that a float has of a positive float, + 127. Just below 2^k it is rounded up to k: where what is missing, over ln 2,
// is less than half of the distance from k to the float nearer to 0.
[[gnu::always_inline]] WEIGHTSCOPE_HOST_DEVICE inline std::int32_t floor_of_float_log2(std::int32_t bits)
{
    const std::int32_t code = bits >> 23, missing = 0x800000 - (bits & 0x7fffff), k = code + 1 - 127, size = k < 0 ? -k : k;
    if (missing == 0x800000 || size == 0)
        return code;
    const auto size_bits = bits_as<std::int32_t>(static_cast<float>(size));  // of which half of the distance follows
    const bool narrow = k > 0 && (size_bits & 0x7fffff) == 0;
    const auto places = bits_as<float>((size_bits & 0x7f800000) - ((narrow + (code == 0)) << 23));
    return static_cast<float>(missing) < 0.693147F * places ? code + 1 : code;
}

// The scale of a group by one of the rules: bits of its largest weight, for power_up of that over the largest level, and the highest exponent
// of the levels; `half` is half a step of them, beside a mantissa of 23 bits.
template <scale_base Base>
[[gnu::always_inline]] WEIGHTSCOPE_HOST_DEVICE inline float power_scale(std::int32_t bits, int highest_exponent, int half)
{
    if constexpr (Base == scale_base::power_log2)
        return power_of_two(floor_of_float_log2(bits) - highest_exponent);
    else if constexpr (Base == scale_base::power_ceil)
        return power_of_two((bits >> 23) + ((bits & 0x7fffff) != 0) - highest_exponent);
    else if constexpr (Base == scale_base::power_up)
        return power_of_two((bits >> 23) + ((bits & 0x7fffff) > (bits >> 23 == 0 ? 0x400000 : 0)));
    else if constexpr (Base == scale_base::power_even)
        return power_of_two(((bits + half) >> 23) - highest_exponent);
    else
        return power_of_two((bits >> 23) - highest_exponent);
}

// Scales of groups whose largest weights are `high`: powers of two, by the rule of `n`.
[[gnu::always_inline]] inline void power_scales(const grid_numbers& n, const float* __restrict high, std::size_t groups, float* __restrict s)
{
    const int e = n.highest_exponent, half = 1 << (22 - n.mantissa_bits);
    const float one_over_top = static_cast<float>(1 / static_cast<double>(n.top));
    switch (n.base) {
    case scale_base::power_log2:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_scale<scale_base::power_log2>(std::bit_cast<std::int32_t>(high[g]), e, half);
        return;
    case scale_base::power_ceil:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_scale<scale_base::power_ceil>(std::bit_cast<std::int32_t>(high[g]), e, half);
        return;
    case scale_base::power_up:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_scale<scale_base::power_up>(std::bit_cast<std::int32_t>(high[g] * one_over_top), e, half);
        return;
    case scale_base::power_even:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_scale<scale_base::power_even>(std::bit_cast<std::int32_t>(high[g]), e, half);
        return;
    default:
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = power_scale<scale_base::power_floor>(std::bit_cast<std::int32_t>(high[g]), e, half);
    }
}

}  // namespace weightscope::detail
