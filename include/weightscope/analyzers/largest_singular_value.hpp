#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct largest_singular_value_options
{
    double tolerance = 1e-6;      ///< estimated relative error of σ_max at which to stop
    std::size_t max_steps = 300;  ///< passes over the matrix
    std::uint64_t seed = 0;       ///< of the random vector that the search starts from
};

struct largest_singular_value_result
{
    metric value = {};               ///< σ_max, from below; 0 for a zero matrix, missing for an empty one
    double error_estimate = 0;       ///< of `value`: residual² / gap to the second one, the usual estimate
    double half_width = 0;           ///< some singular value lies within this of `value`, for certain
    metric stable_rank = {};         ///< Σσ² / σ_max²; missing for a zero or empty matrix
    std::size_t steps = 0;           ///< passes taken; 0 by the Gram matrix
    bool converged = false;          ///< whether the tolerance was reached
    std::string_view method = "none";  ///< "lanczos", "gram" where that is cheaper, "none" for an empty matrix
};

namespace detail {

WEIGHTSCOPE_INLINE largest_singular_value_result largest_singular_value(const matrix_source& w, double max_magnitude,
                                                                        const largest_singular_value_options& options);

}  // namespace detail

/// The largest singular value and the stable rank, without the others: some tens of passes over the matrix.
///
///     σ_max = √λ_max(WᵀW) by the Lanczos method with full reorthogonalisation;   stable rank = Σw² / σ_max²
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]; finite
/// @param options  see largest_singular_value_options
/// @return         see largest_singular_value_result. `value` is never above σ_max but for rounding; that it is another, smaller
///                 singular value needs a start vector almost orthogonal to the largest one's.
/// @throws std::invalid_argument  rank below 2, an entry is not finite, tolerance or max_steps is 0
/// @note           one pass over the matrix a step: about 6 steps where one direction dominates, 75 for 4096 x 4096 Gaussian entries. Memory
///                 (steps + 32) · cols doubles. The same bits for any number of threads.
/// @see            Golub & Van Loan, Matrix Computations, 4th ed., 10.1 and 10.3
template <tensor W>
[[nodiscard]] largest_singular_value_result analyze_largest_singular_value(const W& weights, const largest_singular_value_options& options = {})
{
    require(options.tolerance > 0, "analyze_largest_singular_value(weights, options): tolerance is {}, expected above 0", options.tolerance);
    require(options.max_steps > 0, "analyze_largest_singular_value(weights, options): max_steps is 0, expected 1 or more");
    return detail::with_matrix(weights, "analyze_largest_singular_value(weights)", [&](const detail::matrix_source& matrix) {
        const double largest = detail::max_magnitude(matrix.elements);
        require(std::isfinite(largest), "analyze_largest_singular_value(weights): an entry is {}, expected finite", largest);
        return detail::largest_singular_value(matrix, largest, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/largest_singular_value.hpp>
#endif
