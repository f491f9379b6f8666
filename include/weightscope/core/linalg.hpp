#pragma once
// The only door to BLAS and LAPACK. The declarations are xtensor-blas's own, so that a program may include both.

#include <algorithm>
#include <climits>
#include <cmath>
#include <complex>  // the declarations below need it and do not include it
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <xtensor-blas/xblas_config.hpp>
#include <xflens/cxxblas/drivers/drivers.h>
#include <xflens/cxxlapack/netlib/netlib.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>

#if defined(__GNUC__) && !defined(_WIN32)
extern "C" {
[[gnu::weak]] void openblas_set_num_threads(int);
[[gnu::weak]] int openblas_get_num_threads(void);
[[gnu::weak]] char* openblas_get_config(void);
}
#endif

namespace weightscope {

/// Name, version and build of the BLAS where it is OpenBLAS; empty otherwise.
[[nodiscard]] inline std::string blas_name()
{
#if defined(__GNUC__) && !defined(_WIN32)
    if (openblas_get_config)
        return openblas_get_config();
#endif
    return {};
}

}  // namespace weightscope

namespace weightscope::detail {

/// While one lives, BLAS calls use `threads` threads; the setting belongs to the process. Without effect where BLAS is not OpenBLAS.
class blas_threads
{
public:
    explicit blas_threads([[maybe_unused]] std::size_t threads)
    {
#if defined(__GNUC__) && !defined(_WIN32)
        if (openblas_set_num_threads && openblas_get_num_threads) {
            before_ = openblas_get_num_threads();
            openblas_set_num_threads(static_cast<int>(threads));
        }
#endif
    }
    ~blas_threads()
    {
#if defined(__GNUC__) && !defined(_WIN32)
        if (before_)
            openblas_set_num_threads(before_);
#endif
    }
    blas_threads(const blas_threads&) = delete;
    blas_threads& operator=(const blas_threads&) = delete;

private:
    int before_ = 0;
};

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

/// W^T W or W W^T, whichever is smaller, of the finite matrix factor · W: n x n with n = min(rows, cols), one triangle filled
/// (upper of row-major, lower of column-major). Converts 256 rows or columns at a time: memory is n² + 256 n doubles.
[[nodiscard]] inline std::vector<double> gram_matrix(const matrix_source& w, double factor)
{
    constexpr std::size_t depth = 256;
    const bool tall = w.rows >= w.cols;
    const std::size_t n = std::min(w.rows, w.cols), length = std::max(w.rows, w.cols);
    std::vector<double> gram(n * n), block(n * std::min(depth, length));
    for (std::size_t begin = 0; begin < length; begin += depth) {
        const std::size_t size = std::min(depth, length - begin);
        if (tall)
            w.elements.read_double(w.elements.data, begin * n, size * n, block.data());
        else
            for (std::size_t i = 0; i < n; ++i)
                w.elements.read_double(w.elements.data, i * length + begin, size, block.data() + i * size);
        if (factor != 1)
            for (double& x : block)
                x *= factor;
        cblas_dsyrk(CblasRowMajor, CblasUpper, tall ? CblasTrans : CblasNoTrans, blas_size(n), blas_size(size), 1.0, block.data(),
                    blas_size(tall ? n : size), begin == 0 ? 0.0 : 1.0, gram.data(), blas_size(n));
    }
    return gram;
}

/// Eigenvalues, ascending, of the symmetric matrix whose lower column-major triangle `a` holds; destroys it.
[[nodiscard]] inline std::vector<double> symmetric_eigenvalues(std::vector<double>&& a, std::size_t n)
{
    const int order = blas_size(n);
    std::vector<double> diagonal(n), off_diagonal(n), tau(n), work(1);
    int info = 0, work_size = -1;
    const auto reduce = [&] {
        cxxlapack::dsytrd_("L", &order, a.data(), &order, diagonal.data(), off_diagonal.data(), tau.data(), work.data(), &work_size, &info);
        check_lapack("dsytrd", info);
    };
    reduce();
    work_size = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(work_size));
    reduce();
    cxxlapack::dsterf_(&order, diagonal.data(), off_diagonal.data(), &info);
    check_lapack("dsterf", info);
    return diagonal;
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
