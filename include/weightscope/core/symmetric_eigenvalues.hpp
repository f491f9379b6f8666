#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/band_reduction.hpp>
#include <weightscope/core/bisection.hpp>
#include <weightscope/core/bulge_chase.hpp>
#include <weightscope/core/linalg.hpp>

namespace weightscope::detail {

/// The tridiagonal matrix that is orthogonally similar to the symmetric n x n one whose lower column-major triangle `a` holds;
/// destroys it and leaves what is above the diagonal. The elements must be finite and of a size that their squares neither overflow
/// nor vanish.
[[nodiscard]] inline tridiagonal tridiagonalize_lower_inplace(std::vector<double>& a, std::size_t n)
{
    constexpr std::size_t large = 768;  // below, LAPACK's one-stage reduction finds the matrix in the cache and is faster
    constexpr std::size_t width = 48;    // measured at n = 4096: the sum of both stages is 10 % less than with 32
    if (n < large)
        return tridiagonalize_directly(std::move(a), n);
    return chase_bulges(reduce_to_band<width>(std::move(a), n));
}

/// The same, of a matrix that nobody needs any more.
[[nodiscard]] inline tridiagonal tridiagonalize(std::vector<double>&& a, std::size_t n)
{
    return tridiagonalize_lower_inplace(a, n);
}

/// Eigenvalues, ascending, to some 2⁻⁵³ of the largest magnitude.
[[nodiscard]] inline std::vector<double> tridiagonal_eigenvalues(tridiagonal&& t)
{
    constexpr std::size_t large = 256;  // below, LAPACK's iteration takes a millisecond
    return t.diagonal.size() < large ? eigenvalues(std::move(t)) : eigenvalues_by_bisection(std::move(t));
}

/// Eigenvalues, ascending, of the symmetric matrix whose lower column-major triangle `a` holds; destroys it. See tridiagonalize.
[[nodiscard]] inline std::vector<double> symmetric_eigenvalues(std::vector<double>&& a, std::size_t n)
{
    return tridiagonal_eigenvalues(tridiagonalize(std::move(a), n));
}

/// How many eigenvalues lie below `bound`, by Sylvester's law of inertia: n divisions. Exact for a matrix within a few ulp of t.
/// @see  Demmel, Dhillon & Ren 1995, On the correctness of some bisection-like parallel eigenvalue algorithms
[[nodiscard]] inline std::size_t count_below(const tridiagonal& t, double bound)
{
    std::size_t count = 0;
    double pivot = 1;
    for (std::size_t i = 0; i < t.diagonal.size(); ++i) {
        const double off = i == 0 ? 0 : t.off_diagonal[i - 1];
        pivot = t.diagonal[i] - bound - off * off / pivot;
        if (std::fabs(pivot) < 1e-300)  // an infinite quotient would be no harm, 0 / 0 would
            pivot = -1e-300;
        count += pivot < 0;
    }
    return count;
}

}  // namespace weightscope::detail
