#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/power_scale.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

struct grid_scale_kernel
{
    [[gnu::always_inline]] static void ranges(const grid_numbers& n, const float* __restrict low, const float* __restrict high, std::size_t groups,
                                              float* __restrict s)
    {
        const float half = n.span / 2, least_range = static_cast<float>(n.rules.least_range);
        switch (n.base) {
        case scale_base::half_span:
            for (std::size_t g = 0; g < groups; ++g)
                s[g] = high[g] / half;
            return;
        case scale_base::half_span_signed:
            for (std::size_t g = 0; g < groups; ++g) {
                const float m = -low[g] > high[g] ? -low[g] : high[g];
                s[g] = m / (low[g] < 0 ? half : n.span);
            }
            return;
        case scale_base::span:
            for (std::size_t g = 0; g < groups; ++g) {
                const float first = n.rules.holds_zero && low[g] > 0 ? 0 : low[g], last = n.rules.holds_zero && high[g] < 0 ? 0 : high[g];
                const float range = last - first;
                s[g] = (range < least_range ? least_range : range) / n.span;
            }
            if (n.rules.in_double)
                for (std::size_t g = 0; g < groups; ++g)
                    s[g] = static_cast<float>(double_span(n, low[g], high[g]));
            return;
        case scale_base::signed_largest:
            for (std::size_t g = 0; g < groups; ++g) {
                const float negative = low[g] + 0.0F, positive = high[g];  // of zeros -0, whatever their signs
                s[g] = (-negative >= positive ? negative : positive) / n.lowest;
            }
            return;
        case scale_base::signed_side:
            for (std::size_t g = 0; g < groups; ++g) {
                const float side = low[g] < 0 ? -low[g] : low[g];
                s[g] = (side >= high[g] ? side : -high[g]) / -n.lowest;
            }
            return;
        default: break;
        }
        const float both = n.top * n.global;
        if (n.rules.global == global_scale::multiplier)
            for (std::size_t g = 0; g < groups; ++g)
                s[g] = high[g] / both;
        else if (n.rules.global == global_scale::divisor)
            for (std::size_t g = 0; g < groups; ++g)
                s[g] = n.global * (high[g] / n.top);
        else
            for (std::size_t g = 0; g < groups; ++g)
                s[g] = high[g] / n.top;
    }

    // The step between codes of a whole range, before it is rounded to float.
    [[gnu::always_inline]] static double double_span(const grid_numbers& n, float low, float high)
    {
        const double first = (n.rules.holds_zero & (low > 0)) ? 0 : static_cast<double>(low), last = (n.rules.holds_zero & (high < 0)) ? 0 : static_cast<double>(high);
        return (last - first) / static_cast<double>(n.span);
    }

    // x or 0, without a branch that would keep the loop from being vectorised.
    [[gnu::always_inline]] static float or_zero(float x, bool keep)
    {
        return std::bit_cast<float>(std::bit_cast<std::int32_t>(x) & -static_cast<std::int32_t>(keep));
    }

    [[gnu::always_inline]] static void replace_zero(float zero_scale, float* s, std::size_t groups)
    {
        for (std::size_t g = 0; g < groups; ++g)
            s[g] = s[g] == 0 ? zero_scale : s[g];
    }

    // To a float of so many mantissa bits and no exponent below the lowest, halves to even: by powers of two, which are exact.
    template <int MantissaBits, int LowestExponent>
    [[gnu::always_inline]] static float rounded(float x)
    {
        const auto bits = std::bit_cast<std::int32_t>(x);
        const std::int32_t field = bits >> 23 & 0xff, exponent = field > LowestExponent + 127 ? field : LowestExponent + 127;
        const float larger = x * std::bit_cast<float>((254 + MantissaBits - exponent) << 23);
        return std::nearbyint(larger) * std::bit_cast<float>((exponent - MantissaBits) << 23);
    }

    [[gnu::always_inline]] static void store(const grid_numbers& n, const float* s, std::size_t groups, float* stored)
    {
        constexpr float half_largest = 65520, infinity = std::numeric_limits<float>::infinity();  // from there on half floats are infinite
        switch (n.storage) {
        case scale_type::f16:
            for (std::size_t g = 0; g < groups; ++g) {
                const float r = rounded<10, -14>(s[g]);
                stored[g] = r >= half_largest ? infinity : r <= -half_largest ? -infinity : r;
            }
            return;
        case scale_type::bf16:
            for (std::size_t g = 0; g < groups; ++g)
                stored[g] = static_cast<float>(bfloat16(s[g]));
            return;
        case scale_type::e4m3:
            for (std::size_t g = 0; g < groups; ++g) {
                constexpr float largest = float8_e4m3::max_finite;
                const float x = s[g];
                stored[g] = x > largest ? largest : x;
            }
            for (std::size_t g = 0; g < groups; ++g)
                stored[g] = rounded<3, -6>(stored[g]);
            return;
        default:
            for (std::size_t g = 0; g < groups; ++g)
                stored[g] = s[g];
        }
    }

    [[gnu::always_inline]] static void zeros(const grid_numbers& n, const float* __restrict low, const float* __restrict high, std::size_t groups,
                                             const float* __restrict s, float* __restrict zero)
    {
        const float lowest = n.lowest, highest = n.highest;
        const bool holds_zero = n.rules.holds_zero;
        for (std::size_t g = 0; g < groups; ++g) {
            const float first = low[g];
            zero[g] = (holds_zero & (first > 0)) ? 0 : first;
        }
        if (n.rules.in_double) {
            const double below = n.rules.zero_below;
            for (std::size_t g = 0; g < groups; ++g) {
                const double step = double_span(n, low[g], high[g]), offset = std::nearbyint(static_cast<double>(lowest) - static_cast<double>(zero[g]) / step);
                zero[g] = or_zero(static_cast<float>(offset), step >= below);
            }
        } else if (n.rules.zero_sum) {
            for (std::size_t g = 0; g < groups; ++g)
                zero[g] = std::nearbyint(lowest - zero[g] / s[g]);
        } else {
            for (std::size_t g = 0; g < groups; ++g)
                zero[g] = lowest - std::nearbyint(zero[g] / s[g]);
        }
        for (std::size_t g = 0; g < groups; ++g) {
            const float z = zero[g], above = z < lowest ? lowest : z;
            zero[g] = above > highest ? highest : above;
        }
    }

    // Extremes: of |w| where that is enough, else of w.
    [[gnu::always_inline]] void operator()(const grid_numbers* numbers, const float* low, const float* high, std::size_t groups, grid_groups* out) const
    {
        const grid_numbers& n = *numbers;
        float *scale = out->scale.data(), *stored = out->stored.data(), *multiplier = out->multiplier.data(), *divisor = out->divisor.data();
        float *subtracted = out->subtracted.data(), *added = out->added.data(), *zero = out->zero.data();
        for (std::size_t g = 0; g < groups; ++g)
            subtracted[g] = added[g] = zero[g] = 0;
        if (n.base >= scale_base::power_floor) {
            power_scales(n, high, groups, scale);
            for (std::size_t g = 0; g < groups; ++g) {
                stored[g] = scale[g];
                multiplier[g] = 1 / scale[g];  // exact
                divisor[g] = 1;
            }
            return;
        }
        ranges(n, low, high, groups, scale);
        const auto least = static_cast<float>(n.rules.least_scale), below = static_cast<float>(n.rules.zero_below), zero_scale = static_cast<float>(n.rules.zero_scale);
        if (below > 0)
            for (std::size_t g = 0; g < groups; ++g)
                scale[g] = scale[g] < below ? 0 : scale[g];
        if (zero_scale > 0)
            replace_zero(zero_scale, scale, groups);
        if (least > 0)
            for (std::size_t g = 0; g < groups; ++g)
                scale[g] = std::fabs(scale[g]) < least ? least : scale[g];
        store(n, scale, groups, stored);
        if (zero_scale > 0)
            replace_zero(zero_scale, stored, groups);
        if (n.rules.unrounded)  // codes are made with the scale before it was rounded
            factors(n, scale, groups, multiplier, divisor);
        for (std::size_t g = 0; g < groups; ++g)
            scale[g] = stored[g];
        if (n.rules.global == global_scale::multiplier)
            for (std::size_t g = 0; g < groups; ++g)
                scale[g] = stored[g] * n.global;
        if (n.rules.global == global_scale::divisor)
            for (std::size_t g = 0; g < groups; ++g)
                scale[g] = stored[g] / n.global;
        if (!n.rules.unrounded)
            factors(n, scale, groups, multiplier, divisor);
        if (n.rules.minimum) {
            for (std::size_t g = 0; g < groups; ++g)
                subtracted[g] = low[g];
            store(n, low, groups, added);
        } else if (n.base == scale_base::span) {
            zeros(n, low, high, groups, stored, zero);
        }
    }

    [[gnu::always_inline]] static void factors(const grid_numbers& n, const float* scale, std::size_t groups, float* multiplier, float* divisor)
    {
        const bool of_zero = n.reciprocal_of_zero;
        if (n.rules.reciprocal)
            for (std::size_t g = 0; g < groups; ++g) {
                const float x = scale[g], inverse = 1 / x;
                multiplier[g] = or_zero(inverse, (x != 0) | of_zero);
                divisor[g] = 1;
            }
        else
            for (std::size_t g = 0; g < groups; ++g) {
                multiplier[g] = 1;
                divisor[g] = scale[g] == 0 ? 1 : scale[g];
            }
    }
};

}  // namespace weightscope::detail
