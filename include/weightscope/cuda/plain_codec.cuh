#pragma once
// The arithmetic of the host's group_scale.hpp and round_kernel.hpp for one group and one weight: the same operations in the same order, so
// that scales, codes and decoded weights are the same bits. Operations are spelt out where a compiler could fuse them.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/cuda/exact_division.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

__device__ inline float divided(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline double divided(double a, double b) { return __ddiv_rn(a, b); }
__device__ inline float product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double product(double a, double b) { return __dmul_rn(a, b); }
__device__ inline float to_integer(float x) { return rintf(x); }
__device__ inline double to_integer(double x) { return rint(x); }

__device__ inline float magnitude_of(float x) { return fabsf(x); }
__device__ inline double magnitude_of(double x) { return fabs(x); }

// A weight that is decoded, and whether it lay beyond the codes.
template <class Real>
struct decoded_weight
{
    Real value, level;
    bool clipped;
};

template <class Real>
struct plain_step
{
    Real scale, lowest, highest;  // levels q - z
    double reciprocal;            // of the scale
};

// Schemes of plain integer codes. Real is float, or double where the scale is f64.
template <class Real, rounding_mode Rounding>
struct plain_codec
{
    using real = Real;
    using step = plain_step<Real>;

    bool symmetric = true;
    scale_type storage = scale_type::f32;
    double first = 0, last = 0, levels = 1;
    counter_random random;

    explicit plain_codec(const scheme& options)
        : symmetric(options.symmetric), storage(options.scale),
          first(options.lowest_code()), last(options.highest_code()), levels(static_cast<double>(options.code_count() - 1) / (options.symmetric ? 2 : 1)),
          random(options.seed, "stochastic rounding", "")
    {
    }

    __host__ __device__ bool by_magnitude() const { return symmetric; }
    __host__ __device__ bool follows_first() const { return false; }

    // A range that takes in one more weight.
    __device__ void widen(Real x, Real& low, Real& high) const
    {
        const Real key = by_magnitude() ? magnitude_of(x) : x;
        low = smaller(low, key);
        high = larger(high, key);
    }

    __device__ void know_tensor(float) {}

    static __device__ double within(double rounded, double smallest, double largest)
    {
        return rounded < smallest ? smallest : rounded < largest ? rounded : largest;
    }
    __device__ double stored(double scale) const
    {
        switch (storage) {
        case scale_type::f16: return within(static_cast<double>(static_cast<float>(float16(scale))), 0x1p-24, 65504);
        case scale_type::bf16: return within(static_cast<double>(static_cast<float>(bfloat16(scale))), 0x1p-133, 0x1.fep127);
        case scale_type::f64: return within(scale, 0x1p-1074, 0x1.fffffffffffffp1023);
        default: return within(static_cast<double>(static_cast<float>(scale)), 0x1p-149, 0x1.fffffep127);
        }
    }

    __device__ step step_of(double scale, double zero_point) const
    {
        const auto kept = static_cast<Real>(scale);
        return {kept, static_cast<Real>(first - zero_point), static_cast<Real>(last - zero_point), __ddiv_rn(1, static_cast<double>(kept))};
    }

    // Of numbers up to a magnitude `b`, or from a to b, with or without 0 between them.
    __device__ step step_of_range(double a, double b) const
    {
        if (symmetric)
            return step_of(stored(__ddiv_rn(b, levels)), 0);
        const double lowest = a < 0 ? a : 0, highest = b > 0 ? b : 0;
        const double scale = stored(__dmul_rn(__ddiv_rn(__dsub_rn(highest / 2, lowest / 2), levels), 2));
        const double z = rint(__dsub_rn(first, __ddiv_rn(lowest, scale)));
        return step_of(scale, z < first ? first : z > last ? last : z);
    }

    // From the extremes of a group: of |w| where symmetric, of w where not.
    __device__ step step_for(Real low, Real high) const
    {
        const auto a = static_cast<double>(low), b = static_cast<double>(high);
        return a == b ? step_of(b == 0 ? 1 : stored(fabs(b)), 0) : step_of_range(a, b);
    }

    __device__ Real rounded(Real t) const
    {
        const Real r = to_integer(t);
        if constexpr (Rounding != rounding_mode::half_away)
            return r;
        const Real rest = t - r;  // exact
        const Real up = rest == Real(0.5) && t > 0 ? r + 1 : r;
        return rest == Real(-0.5) && t < 0 ? up - 1 : up;
    }

    __device__ decoded_weight<Real> decode_level(Real r, const step& s) const
    {
        const Real level = smaller(larger(r, s.lowest), s.highest);
        return {product(level, s.scale), level, level != r};
    }
    __device__ decoded_weight<Real> decode_nearest(Real w, const step& s) const
    {
        if constexpr (sizeof(Real) == sizeof(float))
            return decode_level(rounded(quotient_of(w, s.reciprocal)), s);
        else
            return decode_level(rounded(divided(w, s.scale)), s);
    }
    // Stochastic rounding goes up with the probability of the distance from the code below; its random number is that of a place in
    // row-major order.
    __device__ decoded_weight<Real> decode(Real w, const step& s, std::size_t place) const
    {
        if constexpr (Rounding != rounding_mode::stochastic)
            return decode_nearest(w, s);
        const auto t = static_cast<double>(divided(w, s.scale));
        return decode_level(static_cast<Real>(floor(__dadd_rn(t, random.uniform(place, 0)))), s);
    }

    // Codes by their number from 0 on.
    __device__ float code_number(Real level, const step& s) const { return static_cast<float>(level - s.lowest); }
};

}  // namespace weightscope::detail
