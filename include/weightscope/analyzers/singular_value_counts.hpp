#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>

namespace weightscope {

/// How many singular values exceed a threshold. The two differ where one lies so near the threshold that the Gram matrix in
/// double cannot tell on which side.
struct singular_value_count
{
    std::size_t at_least = 0;
    std::size_t at_most = 0;
};

namespace detail {

inline std::vector<singular_value_count> count_singular_values(const matrix_source& w, double max_magnitude, std::span<const double> thresholds)
{
    std::vector<singular_value_count> counts(thresholds.size());
    const std::size_t n = std::min(w.rows, w.cols);
    if (n == 0)
        return counts;
    const double factor = squaring_factor(max_magnitude);
    const tridiagonal t = tridiagonalize(gram_matrix(w, factor), n);
    double largest = 0;  // no eigenvalue is above the largest row sum
    for (std::size_t i = 0; i < n; ++i)
        largest = std::max(largest, std::fabs(t.diagonal[i]) + (i > 0 ? std::fabs(t.off_diagonal[i - 1]) : 0) + (i + 1 < n ? std::fabs(t.off_diagonal[i]) : 0));
    const double error = gram_eigenvalue_error(largest, n);
    for (std::size_t k = 0; k < thresholds.size(); ++k) {
        const double square = (thresholds[k] * factor) * (thresholds[k] * factor);
        counts[k] = {n - count_below(t, square + error), n - (square > error ? count_below(t, square - error) : 0)};
    }
    return counts;
}

}  // namespace detail

/// How many singular values of `weights` exceed each threshold, without the values themselves.
///
/// One reduction to tridiagonal form, then a Sturm count of n divisions for each threshold: cheaper than the values where only
/// ranks are wanted.
///
/// @param weights     rank 2 or more, seen as [out, in * kernel]; finite
/// @param thresholds  0 or more
/// @return            one count per threshold, between which the exact one lies
/// @throws std::invalid_argument  rank below 2, an entry is not finite, a threshold is negative or NaN
/// @note              n²max(m,n) + 4/3 n³ flops and n² doubles of memory for n = min(rows, cols)
/// @see               Demmel, Dhillon & Ren 1995, On the correctness of some bisection-like parallel eigenvalue algorithms
template <tensor W>
[[nodiscard]] std::vector<singular_value_count> count_singular_values(const W& weights, std::span<const double> thresholds)
{
    for (const double threshold : thresholds)
        require(threshold >= 0, "count_singular_values(weights, thresholds): a threshold is {}, expected 0 or more", threshold);
    return detail::with_matrix(weights, "count_singular_values(weights)", [&](const detail::matrix_source& matrix) {
        const double largest = detail::max_magnitude(matrix.elements);
        require(std::isfinite(largest), "count_singular_values(weights): an entry is {}, expected finite", largest);
        return detail::count_singular_values(matrix, largest, thresholds);
    });
}

}  // namespace weightscope
