#pragma once

#include <cstddef>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gemm.hpp>
#include <weightscope/core/linalg.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void multiply(std::size_t m, std::size_t n, std::size_t k, const operand<float>& a, const operand<float>& b, float keep, float* c,
                                 std::size_t c_stride)
{
    cblas_sgemm(CblasRowMajor, a.turned ? CblasTrans : CblasNoTrans, b.turned ? CblasTrans : CblasNoTrans, blas_size(m), blas_size(n),
                blas_size(k), 1.0F, a.data, blas_size(a.stride), b.data, blas_size(b.stride), keep, c, blas_size(c_stride));
}

WEIGHTSCOPE_INLINE void multiply(std::size_t m, std::size_t n, std::size_t k, const operand<double>& a, const operand<double>& b, double keep,
                                 double* c, std::size_t c_stride)
{
    cblas_dgemm(CblasRowMajor, a.turned ? CblasTrans : CblasNoTrans, b.turned ? CblasTrans : CblasNoTrans, blas_size(m), blas_size(n),
                blas_size(k), 1.0, a.data, blas_size(a.stride), b.data, blas_size(b.stride), keep, c, blas_size(c_stride));
}

}  // namespace weightscope::detail
