#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/shuffle.hpp>

namespace weightscope {

struct marchenko_pastur_options
{
    std::size_t shuffles = 0;  ///< how often to shuffle the elements for an empirical null
    std::uint64_t seed = 0;    ///< of the shuffles
};

/// Where the eigenvalues of WᵀW would end if its entries were independent, and what lies beyond.
struct eigenvalue_bulk
{
    metric std = {};          ///< of the entries
    metric bulk_min = {};     ///< std² (√N - √M)²
    metric bulk_max = {};     ///< std² (√N + √M)²
    metric spike_limit = {};  ///< std² gaussian_largest_eigenvalue: bulk_max and a margin
    metric spike_count = {};  ///< eigenvalues above spike_limit, a whole number
    metric soft_rank = {};    ///< bulk_max / λ_max: 1 for a random matrix, near 0 where spikes rule
};

/// What independence of the entries would make of the largest eigenvalue, whatever their distribution.
struct shuffled_bulk
{
    std::size_t shuffle_count = 0;
    double max_eigenvalue = 0;     ///< largest of all shuffles
    double mean_eigenvalue = 0;    ///< mean of the largest of each
    std::size_t spike_count = 0;   ///< eigenvalues of the matrix above max_eigenvalue
    metric soft_rank = {};         ///< mean_eigenvalue / λ_max
};

struct marchenko_pastur_result
{
    eigenvalue_bulk elements = {};               ///< with the root mean square of all entries for std
    eigenvalue_bulk fitted = {};                 ///< with the std that the bulk itself shows: what the spikes add is left out
    metric bulk_ks_distance = {};                ///< between the fitted law and the eigenvalues up to the spike limit, 0 to 1
    std::optional<shuffled_bulk> shuffled = {};  ///< where options.shuffles asked for it
};

namespace detail {

// Descending eigenvalues and the shape they belong to.
struct matrix_eigenvalues
{
    std::vector<double> values;
    std::size_t rows = 0, cols = 0;

    double longer() const { return static_cast<double>(std::max(rows, cols)); }
    double shorter() const { return static_cast<double>(std::min(rows, cols)); }
    std::size_t count_above(double limit) const
    {
        return static_cast<std::size_t>(
            std::partition_point(values.begin(), values.end(), [limit](double x) { return x > limit; }) - values.begin());
    }
};

WEIGHTSCOPE_INLINE marchenko_pastur_result no_marchenko_pastur(const char* reason);

WEIGHTSCOPE_INLINE double bulk_ks_distance(const matrix_eigenvalues& eigenvalues, double variance, std::size_t spikes);

// Singular values that cannot be told from 0 count as 0.
WEIGHTSCOPE_INLINE marchenko_pastur_result marchenko_pastur_of(const singular_values_result& spectrum, std::size_t rows, std::size_t cols);

WEIGHTSCOPE_INLINE shuffled_bulk shuffled_bulk_of(const matrix_source& matrix, double max_magnitude, std::span<const double> spectrum,
                                                  const marchenko_pastur_options& options);

}  // namespace detail

/// How far a matrix is from one of independent entries: the bulk that random entries would give, and the eigenvalues of WᵀW above it.
///
///     λ± = s² (√N ± √M)²,   N = max(rows, cols), M = min(rows, cols)
///
/// s is the root mean square of the entries, and again what the bulk shows: the variance with which the Marchenko-Pastur law has the
/// median of the eigenvalues that are not spikes. A spike lies above what Gaussian entries exceed once in a thousand matrices.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]
/// @param options  see marchenko_pastur_options
/// @return         see marchenko_pastur_result; metrics are missing with a reason where there is no bulk
/// @throws std::invalid_argument  rank below 2, or an entry is not finite
/// @note           cost and memory as in analyze_singular_values; each shuffle costs what analyze_largest_singular_value does, and all a
///                 copy of the matrix. A seed gives the same shuffles on every platform
/// @see            Gavish & Donoho 2014, arXiv:1305.5870, for the median; Baik, Ben Arous & Péché 2005, arXiv:math/0403022: a direction
///                 of strength θ shows as a spike from θ = s (N M)^(1/4) on
template <tensor W>
[[nodiscard]] marchenko_pastur_result analyze_marchenko_pastur(const W& weights, const marchenko_pastur_options& options = {})
{
    return detail::with_matrix(weights, "analyze_marchenko_pastur(weights)", [&](const detail::matrix_source& matrix) {
        const double largest = detail::max_magnitude(matrix.elements);
        require(std::isfinite(largest), "analyze_marchenko_pastur(weights): an entry is {}, expected finite", largest);
        const singular_values_result spectrum = detail::singular_values(matrix, largest, {});
        marchenko_pastur_result result = detail::marchenko_pastur_of(spectrum, matrix.rows, matrix.cols);
        if (options.shuffles > 0 && !spectrum.values.empty())
            result.shuffled = detail::shuffled_bulk_of(matrix, largest, spectrum.values, options);
        return result;
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/marchenko_pastur.hpp>
#endif
