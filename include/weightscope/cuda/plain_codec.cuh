#pragma once
// The arithmetic of the host's group_scale.hpp and round_kernel.hpp for one group and one weight: the same operations in the same order, so
// that scales, codes and decoded weights are the same bits. Operations are spelt out where a compiler could fuse them.

#include <weightscope/cuda/error.cuh>

#include <math.h>

#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

__device__ inline float divided(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline double divided(double a, double b) { return __ddiv_rn(a, b); }
__device__ inline float product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double product(double a, double b) { return __dmul_rn(a, b); }
__device__ inline float to_integer(float x) { return rintf(x); }
__device__ inline double to_integer(double x) { return rint(x); }

// A weight that is decoded, and whether it lay beyond the codes.
struct decoded_weight
{
    double value;
    bool clipped;
};

// Schemes of plain integer codes. Real is float, or double where the scale is f64.
template <class Real>
struct plain_codec
{
    using real = Real;
    struct step
    {
        Real scale, lowest, highest;  // levels q - z
    };

    bool symmetric = true, half_away = false;
    scale_type storage = scale_type::f32;
    double first = 0, last = 0, levels = 1;

    plain_codec() = default;
    explicit plain_codec(const scheme& options)
        : symmetric(options.symmetric), half_away(options.rounding == rounding_mode::half_away), storage(options.scale),
          first(options.lowest_code()), last(options.highest_code()), levels(static_cast<double>(options.code_count() - 1) / (options.symmetric ? 2 : 1))
    {
    }

    __host__ __device__ bool by_magnitude() const { return symmetric; }
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

    // From the extremes of a group: of |w| where symmetric, of w where not.
    __device__ step step_for(Real low, Real high) const
    {
        const auto a = static_cast<double>(low), b = static_cast<double>(high);
        double scale = 1, zero_point = 0;
        if (a == b) {
            scale = b == 0 ? 1 : stored(fabs(b));
        } else if (symmetric) {
            scale = stored(__ddiv_rn(b, levels));
        } else {
            const double lowest = a < 0 ? a : 0, highest = b > 0 ? b : 0;
            scale = stored(__dmul_rn(__ddiv_rn(__dsub_rn(highest / 2, lowest / 2), levels), 2));
            const double z = rint(__dsub_rn(first, __ddiv_rn(lowest, scale)));
            zero_point = z < first ? first : z > last ? last : z;
        }
        return {static_cast<Real>(scale), static_cast<Real>(first - zero_point), static_cast<Real>(last - zero_point)};
    }

    __device__ Real rounded(Real t) const
    {
        const Real r = to_integer(t);
        if (!half_away)
            return r;
        const Real rest = t - r;  // exact
        const Real up = rest == Real(0.5) && t > 0 ? r + 1 : r;
        return rest == Real(-0.5) && t < 0 ? up - 1 : up;
    }

    __device__ decoded_weight decode(Real w, const step& s) const
    {
        const Real r = rounded(divided(w, s.scale)), above = r < s.lowest ? s.lowest : r, level = above > s.highest ? s.highest : above;
        return {static_cast<double>(product(level, s.scale)), level != r};
    }
};

}  // namespace weightscope::detail
