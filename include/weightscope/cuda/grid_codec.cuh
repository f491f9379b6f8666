#pragma once
// The arithmetic of the host's grid_round_kernel.hpp for one weight: the same operations in the same order, so that codes and decoded weights are
// the same bits.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/exact_division.cuh>
#include <weightscope/cuda/grid_scales.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Schemes of other grids, and of the rules of runtimes.
template <grid_kind Kind>
struct grid_codec : grid_scales
{
    using real = float;

    grid_rounding rounding;
    float values[16] = {}, thresholds[15] = {};  // of a table

    explicit grid_codec(const scheme& options) : grid_scales(options), rounding(rounding_of(options))
    {
        std::copy(nf4_values.begin(), nf4_values.end(), values);
        std::copy(nf4_thresholds.begin(), nf4_thresholds.end(), thresholds);
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

    __device__ float level_of(float t, float zero, bool& clipped) const
    {
        if constexpr (Kind == grid_kind::integer) {
            t = t == t ? t : 0;  // 0 times the infinite reciprocal of a subnormal scale
            const float first = rounding.zero_first ? zero : 0, lowest = __fsub_rn(rounding.lowest, zero), highest = __fsub_rn(rounding.highest, zero);
            if (rounding.mode == rounding_mode::half_up)
                t = __fsub_rn(rounded(__fadd_rn(t, rounding.offset + 0.5F)), rounding.offset);
            else
                t = __fsub_rn(rounded(__fadd_rn(t, first)), first);
            const float free = t;
            t = t < lowest ? lowest : t;
            t = t > highest ? highest : t;
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
        if constexpr (Kind == grid_kind::integer) {
            const float level = level_of(quotient_of(__fsub_rn(w, s.subtracted), s.factor), s.zero, clipped);
            return {__fadd_rn(__fmul_rn(level, s.scale), s.added), level, clipped};
        } else {
            const float level = level_of(quotient_of(w, s.factor), 0, clipped);
            return {__fmul_rn(level, s.scale), level, clipped};
        }
    }

    // What tells the codes apart: of integers their number from 0 on, of others the level.
    __device__ float code_number(float level, const step& s) const
    {
        return Kind == grid_kind::integer ? __fsub_rn(__fadd_rn(level, s.zero), rounding.lowest) : level;
    }
};

}  // namespace weightscope::detail
