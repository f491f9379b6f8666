#pragma once
// The only door to BLAS and LAPACK. The declarations are xtensor-blas's own, so that a program may include both.

#include <algorithm>
#include <climits>
#include <cmath>
#include <complex>  // the declarations below need it and do not include it
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <xtensor-blas/xblas_config.hpp>
#include <xflens/cxxblas/drivers/drivers.h>
#include <xflens/cxxlapack/netlib/netlib.h>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/matrix_source.hpp>

namespace weightscope::detail {

// BLAS counts in int.
inline int blas_size(std::size_t n)
{
    if (n > INT_MAX)
        throw std::length_error(fmt::format("weightscope: a matrix dimension is {}, BLAS takes at most {}", n, INT_MAX));
    return static_cast<int>(n);
}

inline void check_lapack(const char* routine, int info)
{
    if (info != 0)
        throw std::runtime_error(fmt::format("weightscope: LAPACK's {} returned info = {}", routine, info));
}

enum class transposition
{
    none,
    left,
    right,
};

/// A column-major matrix somewhere in memory.
template <class T>
struct block
{
    T* data = nullptr;
    std::size_t rows = 0, cols = 0;
    std::size_t stride = 0;  // from one column to the next

    operator block<const T>() const { return {data, rows, cols, stride}; }
};

/// c = factor · a b + keep · c, with a or b transposed where asked for.
inline void multiply(block<const double> a, block<const double> b, double factor, double keep, block<double> c,
                     transposition transposed = transposition::none)
{
    cblas_dgemm(CblasColMajor, transposed == transposition::left ? CblasTrans : CblasNoTrans,
                transposed == transposition::right ? CblasTrans : CblasNoTrans, blas_size(c.rows), blas_size(c.cols),
                blas_size(transposed == transposition::left ? a.rows : a.cols), factor, a.data, blas_size(a.stride), b.data,
                blas_size(b.stride), keep, c.data, blas_size(c.stride));
}

/// c = a b + keep · c for a symmetric a, whose lower triangle is read.
inline void multiply_symmetric(block<const double> a, block<const double> b, double keep, block<double> c)
{
    cblas_dsymm(CblasColMajor, CblasLeft, CblasLower, blas_size(c.rows), blas_size(c.cols), 1.0, a.data, blas_size(a.stride), b.data,
                blas_size(b.stride), keep, c.data, blas_size(c.stride));
}

/// The lower triangle of c = a aᵀ + keep · c, or of aᵀ a + keep · c where `transposed` is left.
inline void multiply_by_transpose(block<const double> a, double keep, block<double> c, transposition transposed = transposition::none)
{
    const bool left = transposed == transposition::left;
    cblas_dsyrk(CblasColMajor, CblasLower, left ? CblasTrans : CblasNoTrans, blas_size(c.rows), blas_size(left ? a.rows : a.cols), 1.0,
                a.data, blas_size(a.stride), keep, c.data, blas_size(c.stride));
}

/// The lower triangle of c += factor · (a bᵀ + b aᵀ).
inline void multiply_both_orders(block<const double> a, block<const double> b, double factor, block<double> c)
{
    cblas_dsyr2k(CblasColMajor, CblasLower, CblasNoTrans, blas_size(c.rows), blas_size(a.cols), factor, a.data, blas_size(a.stride), b.data,
                 blas_size(b.stride), 1.0, c.data, blas_size(c.stride));
}

/// QR factorization of a panel of at least one row: R takes its place, Householder vectors in `v` (unit lower trapezoid, zeros
/// above and in columns that the panel is too short for) and their triangle T in `t`, so that Q = I - V T Vᵀ.
inline void factorize_panel(block<double> panel, block<double> v, block<double> t)
{
    const std::size_t reflections = std::min(panel.rows, panel.cols);
    const int rows = blas_size(panel.rows), cols = blas_size(panel.cols), stride = blas_size(panel.stride), count = blas_size(reflections),
              v_stride = blas_size(v.stride), t_stride = blas_size(t.stride);
    int info = 0, work_size = 64 * cols;
    std::vector<double> tau(panel.cols), work(static_cast<std::size_t>(work_size));
    cxxlapack::dgeqrf_(&rows, &cols, panel.data, &stride, tau.data(), work.data(), &work_size, &info);
    check_lapack("dgeqrf", info);
    for (std::size_t j = 0; j < panel.cols; ++j) {
        double* const column = v.data + j * v.stride;
        std::fill_n(column, panel.rows, 0.0);
        if (j >= reflections)
            continue;
        column[j] = 1;
        double* const below = panel.data + j * panel.stride + j + 1;
        std::copy_n(below, panel.rows - j - 1, column + j + 1);
        std::fill_n(below, panel.rows - j - 1, 0.0);
    }
    for (std::size_t j = 0; j < t.cols; ++j)
        std::fill_n(t.data + j * t.stride, t.rows, 0.0);
    cxxlapack::dlarft_("F", "C", &rows, &count, v.data, &v_stride, tau.data(), t.data, &t_stride);
}

/// A symmetric tridiagonal matrix.
struct tridiagonal
{
    std::vector<double> diagonal = {};      // [n]
    std::vector<double> off_diagonal = {};  // [n], the last one unused
};

/// The tridiagonal matrix that is orthogonally similar to the symmetric one whose lower column-major triangle `a` holds; destroys it.
[[nodiscard]] inline tridiagonal tridiagonalize_directly(std::vector<double>&& a, std::size_t n)
{
    const int order = blas_size(n);
    tridiagonal result{std::vector<double>(n), std::vector<double>(n)};
    std::vector<double> tau(n), work(1);
    int info = 0, work_size = -1;
    const auto reduce = [&] {
        cxxlapack::dsytrd_("L", &order, a.data(), &order, result.diagonal.data(), result.off_diagonal.data(), tau.data(), work.data(),
                           &work_size, &info);
        check_lapack("dsytrd", info);
    };
    reduce();
    work_size = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(work_size));
    reduce();
    return result;
}

/// Eigenvalues, ascending.
[[nodiscard]] inline std::vector<double> eigenvalues(tridiagonal&& t)
{
    const int order = blas_size(t.diagonal.size());
    int info = 0;
    cxxlapack::dsterf_(&order, t.diagonal.data(), t.off_diagonal.data(), &info);
    check_lapack("dsterf", info);
    return std::move(t.diagonal);
}

/// The `count` largest eigenvalues of a symmetric matrix, descending, and their unit eigenvectors.
struct largest_eigenpairs
{
    std::vector<double> values = {};   // [count]
    std::vector<double> vectors = {};  // [count, n], one after the other
};

/// Of the symmetric n x n matrix whose lower column-major triangle `a` holds; destroys it. `count` is 1 to n.
[[nodiscard]] inline largest_eigenpairs eigenpairs(std::vector<double>&& a, std::size_t n, std::size_t count)
{
    const int order = blas_size(n), last = order, first = blas_size(n - count + 1);
    const double none = 0;
    int found = 0, info = 0, work_size = -1, integer_size = -1;
    largest_eigenpairs result{std::vector<double>(n), std::vector<double>(n * count)};
    std::vector<double> work(1);
    std::vector<int> support(2 * n), integers(1);
    const auto decompose = [&] {
        cxxlapack::dsyevr_("V", "I", "L", &order, a.data(), &order, &none, &none, &first, &last, &none, &found, result.values.data(),
                           result.vectors.data(), &order, support.data(), work.data(), &work_size, integers.data(), &integer_size, &info);
        check_lapack("dsyevr", info);
    };
    decompose();
    work_size = static_cast<int>(work[0]);
    integer_size = integers[0];
    work.resize(static_cast<std::size_t>(work_size));
    integers.resize(static_cast<std::size_t>(integer_size));
    decompose();
    result.values.resize(count);
    std::reverse(result.values.begin(), result.values.end());
    for (std::size_t i = 0; 2 * i + 1 < count; ++i)
        std::swap_ranges(result.vectors.begin() + static_cast<std::ptrdiff_t>(i * n), result.vectors.begin() + static_cast<std::ptrdiff_t>((i + 1) * n),
                         result.vectors.begin() + static_cast<std::ptrdiff_t>((count - 1 - i) * n));
    return result;
}

/// Singular values, descending, of the finite matrix factor · W by QR and the SVD of R, both in double: rows · cols doubles of memory.
[[nodiscard]] inline std::vector<double> singular_values_by_qr(const matrix_source& w, double factor)
{
    const bool tall = w.rows >= w.cols;
    const std::size_t m = std::max(w.rows, w.cols), n = std::min(w.rows, w.cols);
    std::vector<double> a(m * n), row(w.cols);  // a: column-major, m x n: W or its transpose
    for (std::size_t i = 0; i < w.rows; ++i) {
        w.elements.read_double(w.elements.data, i * w.cols, w.cols, row.data());
        for (std::size_t j = 0; j < w.cols; ++j)
            a[tall ? i + j * m : i * m + j] = row[j] * factor;
    }

    const int rows = blas_size(m), cols = blas_size(n), one = 1;
    int info = 0, work_size = -1;
    std::vector<double> tau(n), work(1);
    const auto factorize = [&] {
        cxxlapack::dgeqrf_(&rows, &cols, a.data(), &rows, tau.data(), work.data(), &work_size, &info);
        check_lapack("dgeqrf", info);
    };
    factorize();
    work_size = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(work_size));
    factorize();

    std::vector<double> r(n * n), values(n);
    for (std::size_t j = 0; j < n; ++j)
        std::copy_n(a.begin() + static_cast<std::ptrdiff_t>(j * m), j + 1, r.begin() + static_cast<std::ptrdiff_t>(j * n));
    a = {};
    std::vector<int> integers(8 * n);
    work_size = -1;
    const auto decompose = [&] {
        cxxlapack::dgesdd_("N", &cols, &cols, r.data(), &cols, values.data(), nullptr, &one, nullptr, &one, work.data(), &work_size,
                           integers.data(), &info);
        check_lapack("dgesdd", info);
    };
    decompose();
    work_size = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(work_size));
    decompose();
    return values;
}

}  // namespace weightscope::detail
