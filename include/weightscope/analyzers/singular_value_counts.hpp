#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

/// How many singular values exceed a threshold. The two differ where one lies so near the threshold that the Gram matrix in
/// double cannot tell on which side.
struct singular_value_count
{
    std::size_t at_least = 0;
    std::size_t at_most = 0;
};

namespace detail {

WEIGHTSCOPE_INLINE std::vector<singular_value_count> count_singular_values(const matrix_source& w, double max_magnitude,
                                                                           std::span<const double> thresholds);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/singular_value_counts.hpp>
#endif
