#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct low_rank_options
{
    std::vector<double> energies = {0.90, 0.95, 0.99};  ///< shares of Σσ² to keep, each above 0 and at most 1
};

/// Two factors [rows, rank] and [rank, cols] for a matrix.
struct low_rank_factors
{
    double energy = 0;             ///< share of Σσ² that was asked for
    std::size_t rank = 0;          ///< the smallest that keeps it
    double relative_error = 0;     ///< ‖W - W_k‖ / ‖W‖, Frobenius: √(1 - the share that is kept)
    std::size_t parameters = 0;    ///< rank · (rows + cols)
    double saved_fraction = 0;     ///< of the parameters; negative where the factors hold more than the matrix
};

struct low_rank_result
{
    std::size_t rows = 0, cols = 0;              ///< of the matrix [out, in * kernel]
    double break_even_rank = 0;                  ///< rows · cols / (rows + cols): below it factors are smaller
    std::vector<low_rank_factors> factors = {};  ///< one for each energy; none where there is no spectrum
    std::size_t largest_rank = 0;                ///< the largest below break-even
    metric least_error = {};                     ///< relative error at that rank: no factors that save anything do better
    metric stable_rank = {};                     ///< Σσ² / σ_1²
    metric classic_lora_rank = {};               ///< by a rule in wide use: 4 for a stable rank below 20, 8 below 50, else 16
};

namespace detail {

WEIGHTSCOPE_INLINE low_rank_result low_rank_of(std::span<const double> descending, std::size_t rows, std::size_t cols,
                                               const low_rank_options& options);

WEIGHTSCOPE_INLINE low_rank_result low_rank_of(const matrix_source& matrix, const low_rank_options& options);

}  // namespace detail

/// What two factors instead of a matrix would keep, and whether they would be smaller at all.
///
///     rank of a share p: the smallest k with σ_1² + ... + σ_k² >= p Σσ²     error: √(Σ_{i>k} σ_i² / Σσ²)
///
/// The truncated SVD is the best approximation of its rank (Eckart and Young 1936), so these errors are the least there are.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]
/// @param options  see low_rank_options
/// @return         see low_rank_result; without factors where an entry is not finite
/// @throws std::invalid_argument  rank below 2, or an energy that is not above 0 and at most 1
/// @note   cost and memory as analyze_singular_values. The error is of the weights: that of a layer's outputs hangs on its inputs too.
/// @see    `classic_compression_choices` for thresholds in wide use
template <tensor W>
[[nodiscard]] low_rank_result analyze_low_rank(const W& weights, const low_rank_options& options = {})
{
    for (const double share : options.energies)
        require(share > 0 && share <= 1, "analyze_low_rank(weights, options): options.energies has {}, expected above 0 and at most 1", share);
    return detail::with_matrix(weights, "analyze_low_rank(weights)",
                               [&](const detail::matrix_source& matrix) { return detail::low_rank_of(matrix, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/low_rank.hpp>
#endif
