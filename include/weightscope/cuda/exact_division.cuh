#pragma once
// Quotients of many numbers by one, rounded as a division rounds them, without a division for each.

#include <weightscope/cuda/error.cuh>

namespace weightscope::detail {

// The float that a / b rounds to, from the double that 1 / b rounds to: quotients of floats keep 2^-49 of themselves away from where rounding
// changes, and this one is off by 2^-52 before it is rounded. Those below 2^-126 may be off by their last bit.
__device__ inline float quotient_of(float a, double reciprocal)
{
    return static_cast<float>(__dmul_rn(static_cast<double>(a), reciprocal));
}

// In double: a quotient and two corrections of it, of which the first leaves less than an ulp and the second the nearest number (Markstein,
// IBM J. Res. Dev. 34, 1990). The divisor and the quotients are well inside the range of double.
struct exact_divisor
{
    double divisor, reciprocal;

    static __device__ exact_divisor of(double divisor) { return {divisor, __ddiv_rn(1, divisor)}; }
    __device__ double quotient(double x) const
    {
        const double rough = __dmul_rn(x, reciprocal);
        const double close = __fma_rn(__fma_rn(-rough, divisor, x), reciprocal, rough);
        return __fma_rn(__fma_rn(-close, divisor, x), reciprocal, close);
    }
};

// Halves to even, of numbers below 2^51.
__device__ inline double nearest_integer(double x)
{
    constexpr double all_fraction_bits = 0x1.8p52;  // a sum with it has none left
    return __dsub_rn(__dadd_rn(x, all_fraction_bits), all_fraction_bits);
}

// x - round(x / scale) · scale for a divisor that is a scale
__device__ inline double rounding_error(double x, const exact_divisor& scale)
{
    return __dsub_rn(x, __dmul_rn(nearest_integer(scale.quotient(x)), scale.divisor));
}

}  // namespace weightscope::detail
