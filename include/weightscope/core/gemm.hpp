#pragma once
// Products of row-major matrices in float and double, by BLAS.

#include <cstddef>

#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

// A matrix in a product: `stride` elements from one row of memory to the next; where `turned`, its transpose is meant.
template <class Real>
struct operand
{
    const Real* data = nullptr;
    std::size_t stride = 0;
    bool turned = false;
};

// c = a · b + keep · c with a [m, k], b [k, n] and c [m, n]; keep is 0 (c need not be initialised) or 1.
// Runs on as many threads as BLAS is set to: see blas_threads.
WEIGHTSCOPE_INLINE void multiply(std::size_t m, std::size_t n, std::size_t k, const operand<float>& a, const operand<float>& b, float keep, float* c,
                                 std::size_t c_stride);

WEIGHTSCOPE_INLINE void multiply(std::size_t m, std::size_t n, std::size_t k, const operand<double>& a, const operand<double>& b, double keep,
                                 double* c, std::size_t c_stride);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/gemm.hpp>
#endif
