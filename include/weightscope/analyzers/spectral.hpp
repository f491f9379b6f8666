#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope {

struct spectral_options
{
    std::size_t top_count = 10;  ///< how many singular values `top_singular_values` lists
    std::optional<heavy_tail_options> heavy_tail = {};              ///< absent: not analysed
    std::optional<marchenko_pastur_options> marchenko_pastur = {};  ///< absent: not analysed
};

struct spectral_result
{
    std::size_t rows = 0, cols = 0;               ///< of the matrix [out, in * kernel]
    metric max_singular_value = {};
    metric min_singular_value = {};               ///< missing where double precision cannot tell it from 0
    metric condition_number = {};                 ///< σ_max / σ_min, 1 or more; missing where σ_min is
    metric condition_number_at_least = {};        ///< a lower bound; equals condition_number where that exists
    metric stable_rank = {};                      ///< Σσ² / σ_max², 1 to total_rank
    metric deflated_stable_rank = {};             ///< the same without the top direction: (Σσ² - σ_1²) / σ_2²
    metric effective_rank = {};                   ///< how many σ > 0.01 σ_max
    metric entropy_rank = {};                     ///< exp of the entropy of σ / Σσ, 1 to total_rank (Roy & Vetterli 2007)
    metric numerical_rank = {};                   ///< how many σ > max(rows, cols) 2⁻²³ σ_max, NumPy's tolerance for float32
    metric rank_90_energy = {};                   ///< smallest k whose k largest σ² make up 90 % of Σσ²
    metric rank_95_energy = {};
    metric rank_99_energy = {};
    std::size_t total_rank = 0;                   ///< min(rows, cols)
    metric singular_value_ratio = {};             ///< σ_min / σ_max
    std::vector<double> top_singular_values = {}; ///< descending
    double gaussian_condition_number = 0;         ///< what Gaussian entries would give: typical condition number
    double gaussian_stable_rank = 0;              ///< and stable rank
    metric condition_number_p_value = {};         ///< bound on the chance that Gaussian entries give such a condition number
    singular_values_result singular_values = {};  ///< all of them with their intervals
    std::optional<heavy_tail_result> heavy_tail = {};              ///< as analyze_heavy_tail, where the options ask for it
    std::optional<marchenko_pastur_result> marchenko_pastur = {};  ///< as analyze_marchenko_pastur, where the options ask for it
};

namespace detail {

// Exponential of the Shannon entropy of σ / Σσ.
WEIGHTSCOPE_INLINE double entropy_rank(std::span<const double> values);

WEIGHTSCOPE_INLINE spectral_result no_spectrum(std::size_t rows, std::size_t cols, const std::string& reason);

WEIGHTSCOPE_INLINE spectral_result spectral_of(singular_values_result spectrum, std::size_t rows, std::size_t cols, const spectral_options& options);

WEIGHTSCOPE_INLINE spectral_result spectral(const matrix_source& matrix, const spectral_options& options);

}  // namespace detail

/// Condition number, ranks and singular values of a matrix, beside what Gaussian entries of its shape would give.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]
/// @param options  see spectral_options
/// @return         see spectral_result; metrics are missing with a reason where an entry is not finite
/// @throws std::invalid_argument  rank below 2
/// @note           cost, memory and accuracy as in analyze_singular_values
/// @see            Rudelson & Vershynin 2007, arXiv:math/0503442 (stable rank); Roy & Vetterli 2007, EUSIPCO (entropy rank)
template <tensor W>
[[nodiscard]] spectral_result analyze_spectral(const W& weights, const spectral_options& options = {})
{
    return detail::with_matrix(weights, "analyze_spectral(weights)", [&](const auto& matrix) { return detail::spectral(matrix, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/spectral.hpp>
#endif
