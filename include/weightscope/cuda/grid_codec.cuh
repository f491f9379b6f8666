#pragma once
// The arithmetic of the host's grid_scale.hpp and grid_round_kernel.hpp for one group and one weight: the same operations in the same order, so
// that scales, codes and decoded weights are the same bits. Operations are spelt out where a compiler could fuse them.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/cuda/exact_division.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/power_scale.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Schemes of other grids, and of the rules of runtimes whose scales follow from max|w|.
template <grid_kind Kind>
struct grid_codec
{
    using real = float;
    struct step
    {
        float scale;
        double factor;  // what a weight is multiplied with: the multiplier that the rules ask for, or 1 / divisor
    };

    grid_numbers numbers;
    grid_rounding rounding;
    bool two_levels = false;
    float global_range = 1;  // of a tensor whose scale is 1
    float values[16] = {}, thresholds[15] = {};  // of a table

    explicit grid_codec(const scheme& options)
        : numbers(options), rounding(rounding_of(options)),
          two_levels(options.rules.global != global_scale::none), global_range(format_of(options.grid).largest * float8_e4m3::max_finite)
    {
        std::copy(nf4_values.begin(), nf4_values.end(), values);
        std::copy(nf4_thresholds.begin(), nf4_thresholds.end(), thresholds);
    }

    __host__ __device__ bool by_magnitude() const { return true; }
    // A range that takes in one more weight.
    __device__ void widen(float x, float& low, float& high) const
    {
        const float key = magnitude_of(x);
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
        case scale_base::power_ceil: return power_scale<scale_base::power_ceil>(bits, e, half);
        case scale_base::power_up: {
            const float wanted = __fmul_rn(high, static_cast<float>(__ddiv_rn(1, static_cast<double>(numbers.top))));
            return power_scale<scale_base::power_up>(bits_as<std::int32_t>(wanted), e, half);
        }
        case scale_base::power_even: return power_scale<scale_base::power_even>(bits, e, half);
        default: return power_scale<scale_base::power_floor>(bits, e, half);
        }
    }
    __device__ float range_for(float high) const
    {
        if (numbers.base == scale_base::half_span)
            return __fdiv_rn(high, numbers.span / 2);
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

    __device__ step step_for(float, float high) const
    {
        step s{1, 1};
        if (numbers.base >= scale_base::power_floor) {
            s.scale = power_for(high);
            s.factor = static_cast<double>(__fdiv_rn(1, s.scale));
            return s;
        }
        const auto least = static_cast<float>(numbers.rules.least_scale), zero_scale = static_cast<float>(numbers.rules.zero_scale);
        float scale = range_for(high);
        scale = numbers.rules.zero_below > 0 && scale < static_cast<float>(numbers.rules.zero_below) ? 0 : scale;
        scale = zero_scale > 0 && scale == 0 ? zero_scale : scale;
        scale = least > 0 && fabsf(scale) < least ? least : scale;
        float kept = stored(scale);
        kept = zero_scale > 0 && kept == 0 ? zero_scale : kept;
        s.scale = numbers.rules.global == global_scale::multiplier ? __fmul_rn(kept, numbers.global)
                  : numbers.rules.global == global_scale::divisor  ? __fdiv_rn(kept, numbers.global)
                                                                   : kept;
        set_factors(numbers.rules.unrounded ? scale : s.scale, s);
        return s;
    }

    __device__ float rounded(float before) const
    {
        const float t = rintf(before), rest = before - t;  // exact
        switch (rounding.mode) {
        case rounding_mode::half_away: return rest == 0.5F && before > 0 ? t + 1 : rest == -0.5F && before < 0 ? t - 1 : t;
        case rounding_mode::half_to_zero: return rest == -0.5F && before > 0 ? t - 1 : rest == 0.5F && before < 0 ? t + 1 : t;
        case rounding_mode::half_up: return rest < 0 ? t - 1 : t;  // down, after a half was added
        default: return t;
        }
    }

    __device__ float level_of(float t, bool& clipped) const
    {
        if constexpr (Kind == grid_kind::integer) {
            t = t == t ? t : 0;  // 0 times the infinite reciprocal of a subnormal scale
            if (rounding.mode == rounding_mode::half_up)
                t = __fsub_rn(rounded(__fadd_rn(t, rounding.offset + 0.5F)), rounding.offset);
            else
                t = rounded(t);
            const float free = t;
            t = smaller(larger(t, rounding.lowest), rounding.highest);
            clipped = t != free;
            return t;
        } else if constexpr (Kind == grid_kind::floating) {
            float a = fabsf(t);
            clipped = a >= rounding.beyond;
            a = a > rounding.largest ? rounding.largest : a;
            const std::int32_t field = bits_as<std::int32_t>(a) >> 23, exponent = field > rounding.lowest_exponent ? field : rounding.lowest_exponent;
            a = __fmul_rn(a, bits_as<float>((254 + rounding.mantissa_bits - exponent) << 23));
            a = __fmul_rn(rounded(a), bits_as<float>((exponent - rounding.mantissa_bits) << 23));
            return copysignf(a, t);
        } else {
            clipped = false;
            float value = values[0];
            for (int i = 0; i < 15; ++i)
                value = t > thresholds[i] ? values[i + 1] : value;
            return value;
        }
    }

    __device__ decoded_weight<float> decode(float w, const step& s, std::size_t) const { return decode_nearest(w, s); }
    __device__ decoded_weight<float> decode_nearest(float w, const step& s) const
    {
        bool clipped = false;
        const float level = level_of(quotient_of(w, s.factor), clipped);
        return {__fmul_rn(level, s.scale), clipped};
    }
};

}  // namespace weightscope::detail
