#pragma once
// The arithmetic of the host's grid_scale.hpp for one group: the same operations in the same order, so that scales and zero points are the same
// bits. Operations are spelt out where a compiler could fuse them.

#include <weightscope/cuda/error.cuh>

#include <cstdint>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/power_scale.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// How weights of a group become levels and levels weights: ŵ = level · scale + added, with the level next to (w - subtracted) · factor.
struct grid_step
{
    float scale;
    float subtracted, added, zero;  // of integers
    double factor;                  // the multiplier that the rules ask for, or 1 / divisor
};

// Scales of groups by the rules of a scheme.
struct grid_scales
{
    using step = grid_step;

    grid_numbers numbers;
    bool symmetric = true, magnitude_only = true, two_levels = false;
    float global_range = 1;  // of a tensor whose scale is 1

    explicit grid_scales(const scheme& options)
        : numbers(options), symmetric(options.symmetric), magnitude_only(scale_needs_magnitude_only(options)),
          two_levels(options.rules.global != global_scale::none), global_range(format_of(options.grid).largest * float8_e4m3::max_finite)
    {
    }

    // Whether ranges are of |w|, else of w.
    __host__ __device__ bool by_magnitude() const { return magnitude_only; }
    // Whether the first of two weights decides the sign of the scale that are as far from 0 as any.
    __host__ __device__ bool follows_first() const { return numbers.base == scale_base::signed_largest; }

    // A range that takes in one more weight.
    __device__ void widen(float x, float& low, float& high) const
    {
        const float key = by_magnitude() ? magnitude_of(x) : x;
        low = smaller(low, key);
        high = larger(high, key);
    }

    // The largest magnitude of the tensor decides the scale of its scales.
    __device__ void know_tensor(float magnitude)
    {
        if (two_levels)
            numbers.global = magnitude == 0                                  ? 1
                             : numbers.rules.global == global_scale::divisor ? __fdiv_rn(global_range, magnitude)
                                                                             : __fdiv_rn(magnitude, global_range);
    }

    __device__ float power_for(float high) const
    {
        const auto bits = bits_as<std::int32_t>(high);
        const int e = numbers.highest_exponent, half = 1 << (22 - numbers.mantissa_bits);
        switch (numbers.base) {
        case scale_base::power_log2: return power_scale<scale_base::power_log2>(bits, e, half);
        case scale_base::power_ceil: return power_scale<scale_base::power_ceil>(bits, e, half);
        case scale_base::power_up: {
            const float wanted = __fmul_rn(high, static_cast<float>(__ddiv_rn(1, static_cast<double>(numbers.top))));
            return power_scale<scale_base::power_up>(bits_as<std::int32_t>(wanted), e, half);
        }
        case scale_base::power_even: return power_scale<scale_base::power_even>(bits, e, half);
        default: return power_scale<scale_base::power_floor>(bits, e, half);
        }
    }
    // The step between codes of a whole range, before it is rounded to float.
    __device__ double double_span(float low, float high) const
    {
        const bool holds = numbers.rules.holds_zero;
        const double first = holds && low > 0 ? 0 : static_cast<double>(low), last = holds && high < 0 ? 0 : static_cast<double>(high);
        return __ddiv_rn(__dsub_rn(last, first), static_cast<double>(numbers.span));
    }
    __device__ float span_range(float low, float high) const
    {
        if (numbers.rules.in_double)
            return static_cast<float>(double_span(low, high));
        const bool holds = numbers.rules.holds_zero;
        const float range = __fsub_rn(holds && high < 0 ? 0 : high, holds && low > 0 ? 0 : low), least = static_cast<float>(numbers.rules.least_range);
        return __fdiv_rn(range < least ? least : range, numbers.span);
    }
    __device__ float range_for(float low, float high) const
    {
        const float negative = __fadd_rn(low, 0);  // of zeros -0, whatever their signs
        switch (numbers.base) {
        case scale_base::half_span: return __fdiv_rn(high, numbers.span / 2);
        case scale_base::half_span_signed: return __fdiv_rn(-low > high ? -low : high, low < 0 ? numbers.span / 2 : numbers.span);
        case scale_base::span: return span_range(low, high);
        case scale_base::signed_largest: return __fdiv_rn(-negative >= high ? negative : high, numbers.lowest);
        case scale_base::signed_side: {
            const float side = low < 0 ? -low : low;
            return __fdiv_rn(side >= high ? side : -high, -numbers.lowest);
        }
        default: break;
        }
        if (numbers.rules.global == global_scale::multiplier)
            return __fdiv_rn(high, __fmul_rn(numbers.top, numbers.global));
        if (numbers.rules.global == global_scale::divisor)
            return __fmul_rn(numbers.global, __fdiv_rn(high, numbers.top));
        return __fdiv_rn(high, numbers.top);
    }

    // To a float of so many mantissa bits and no exponent below the lowest, halves to even.
    template <int MantissaBits, int LowestExponent>
    static __device__ float rounded_to(float x)
    {
        const auto bits = bits_as<std::int32_t>(x);
        const std::int32_t field = bits >> 23 & 0xff, exponent = field > LowestExponent + 127 ? field : LowestExponent + 127;
        const float larger = __fmul_rn(x, bits_as<float>((254 + MantissaBits - exponent) << 23));
        return __fmul_rn(rintf(larger), bits_as<float>((exponent - MantissaBits) << 23));
    }
    __device__ float stored(float scale) const
    {
        switch (numbers.storage) {
        case scale_type::f16: {
            const float r = rounded_to<10, -14>(scale);
            return r >= 65520 ? bits_as<float>(0x7f800000u) : r <= -65520 ? bits_as<float>(0xff800000u) : r;
        }
        case scale_type::bf16: return static_cast<float>(bfloat16(scale));
        case scale_type::e4m3: return rounded_to<3, -6>(scale > 448 ? 448 : scale);
        default: return scale;
        }
    }
    __device__ void set_factors(float scale, step& s) const
    {
        if (numbers.rules.reciprocal)
            s.factor = static_cast<double>(scale == 0 && !numbers.reciprocal_of_zero ? 0 : __fdiv_rn(1, scale));
        else
            s.factor = __ddiv_rn(1, static_cast<double>(scale == 0 ? 1 : scale));
    }

    __device__ float zero_for(float low, float high, float scale) const
    {
        const bool holds = numbers.rules.holds_zero;
        const float first = holds && low > 0 ? 0 : low;
        float zero = 0;
        if (numbers.rules.in_double) {
            const double span = double_span(low, high), offset = rint(__dsub_rn(static_cast<double>(numbers.lowest), __ddiv_rn(static_cast<double>(first), span)));
            zero = span >= numbers.rules.zero_below ? static_cast<float>(offset) : 0;
        } else if (numbers.rules.zero_sum) {
            zero = rintf(__fsub_rn(numbers.lowest, __fdiv_rn(first, scale)));
        } else {
            zero = __fsub_rn(numbers.lowest, rintf(__fdiv_rn(first, scale)));
        }
        zero = zero < numbers.lowest ? numbers.lowest : zero;
        return zero > numbers.highest ? numbers.highest : zero;
    }

    __device__ step step_for(float low, float high) const
    {
        step s{1, 0, 0, 0, 1};
        if (numbers.base >= scale_base::power_floor) {
            s.scale = power_for(high);
            s.factor = static_cast<double>(__fdiv_rn(1, s.scale));
            return s;
        }
        const auto least = static_cast<float>(numbers.rules.least_scale), zero_scale = static_cast<float>(numbers.rules.zero_scale);
        float scale = range_for(low, high);
        scale = numbers.rules.zero_below > 0 && scale < static_cast<float>(numbers.rules.zero_below) ? 0 : scale;
        scale = zero_scale > 0 && scale == 0 ? zero_scale : scale;
        scale = least > 0 && fabsf(scale) < least ? least : scale;
        float kept = stored(scale);
        kept = zero_scale > 0 && kept == 0 ? zero_scale : kept;
        s.scale = numbers.rules.global == global_scale::multiplier ? __fmul_rn(kept, numbers.global)
                  : numbers.rules.global == global_scale::divisor  ? __fdiv_rn(kept, numbers.global)
                                                                   : kept;
        set_factors(numbers.rules.unrounded ? scale : s.scale, s);
        if (numbers.rules.minimum) {
            s.subtracted = low;
            s.added = stored(low);
        } else if (numbers.base == scale_base::span) {
            s.zero = zero_for(low, high, kept);
        }
        return s;
    }
};

}  // namespace weightscope::detail
