#pragma once
// Factorizations of LAPACK's beyond those of core/linalg.hpp, of which this is the second half.

#include <algorithm>
#include <cstddef>
#include <vector>

#include <weightscope/core/linalg.hpp>

namespace weightscope::detail {

/// U of the Cholesky factorization UᵀU in place of the upper triangle of a square `a`; false where `a` is not positive definite.
[[nodiscard]] inline bool factorize_cholesky_inplace(block<double> a)
{
    const int order = blas_size(a.rows), stride = blas_size(a.stride);
    int info = 0;
    cxxlapack::dpotrf_("U", &order, a.data, &stride, &info);
    check_lapack("dpotrf", std::min(info, 0));
    return info == 0;
}

/// x <- U⁻¹ x for an upper triangle U, or Uᵀ⁻¹ x where `transposed` is left.
inline void solve_triangle_inplace(block<const double> u, block<double> x, transposition transposed)
{
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasUpper, transposed == transposition::left ? CblasTrans : CblasNoTrans, CblasNonUnit,
                blas_size(x.rows), blas_size(x.cols), 1.0, u.data, blas_size(u.stride), x.data, blas_size(x.stride));
}

/// An orthonormal basis in place of the columns of `x`, which has at least as many rows.
inline void orthonormalize_inplace(block<double> x)
{
    const int rows = blas_size(x.rows), cols = blas_size(x.cols), stride = blas_size(x.stride), work_size = 64 * cols;
    int info = 0;
    std::vector<double> tau(x.cols), work(static_cast<std::size_t>(work_size));
    cxxlapack::dgeqrf_(&rows, &cols, x.data, &stride, tau.data(), work.data(), &work_size, &info);
    check_lapack("dgeqrf", info);
    cxxlapack::dorgqr_(&rows, &cols, &cols, x.data, &stride, tau.data(), work.data(), &work_size, &info);
    check_lapack("dorgqr", info);
}

/// A square matrix as left · diagonal(values) · rightᵀ, values descending.
struct singular_triplets
{
    std::vector<double> values = {};           // [n]
    std::vector<double> left = {}, right = {};  // [n, n] column-major; of right the transpose
};

/// Of a small square matrix; destroys it.
[[nodiscard]] inline singular_triplets decompose_small(block<double> a)
{
    const int order = blas_size(a.rows), stride = blas_size(a.stride);
    int info = 0, work_size = -1;
    singular_triplets result{std::vector<double>(a.rows), std::vector<double>(a.rows * a.rows), std::vector<double>(a.rows * a.rows)};
    std::vector<double> work(1);
    std::vector<int> integers(8 * a.rows);
    const auto decompose = [&] {
        cxxlapack::dgesdd_("A", &order, &order, a.data, &stride, result.values.data(), result.left.data(), &order, result.right.data(), &order,
                           work.data(), &work_size, integers.data(), &info);
        check_lapack("dgesdd", info);
    };
    decompose();
    work_size = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(work_size));
    decompose();
    return result;
}

}  // namespace weightscope::detail
