#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
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

inline std::size_t energy_rank(std::span<const double> descending, double energy, double share)
{
    double sum = 0;
    for (std::size_t k = 0; k < descending.size(); ++k) {
        sum += descending[k] * descending[k];
        if (sum >= share * energy)
            return k + 1;
    }
    return descending.size();
}

// Exponential of the Shannon entropy of σ / Σσ.
inline double entropy_rank(std::span<const double> values)
{
    double sum = 0, entropy = 0;
    for (const double s : values)
        sum += s;
    for (const double s : values)
        entropy -= s > 0 ? s / sum * std::log(s / sum) : 0;
    return std::exp(entropy);
}

inline spectral_result no_spectrum(std::size_t rows, std::size_t cols, const std::string& reason)
{
    spectral_result result{.rows = rows, .cols = cols, .total_rank = std::min(rows, cols)};
    const auto none = metric::missing(reason);
    result.max_singular_value = result.min_singular_value = result.condition_number = result.condition_number_at_least =
        result.stable_rank = result.deflated_stable_rank = result.effective_rank = result.entropy_rank = result.numerical_rank =
            result.rank_90_energy = result.rank_95_energy = result.rank_99_energy = result.singular_value_ratio =
                result.condition_number_p_value = none;
    return result;
}

inline spectral_result spectral_of(singular_values_result spectrum, std::size_t rows, std::size_t cols, const spectral_options& options)
{
    const std::vector<double>& values = spectrum.values;
    if (values.empty())
        return no_spectrum(rows, cols, "no entries");
    const double largest = values.front(), smallest = values.back();
    spectral_result result{.rows = rows, .cols = cols, .total_rank = values.size()};
    result.gaussian_condition_number = gaussian_condition_number(rows, cols);
    result.gaussian_stable_rank = gaussian_stable_rank(rows, cols);
    result.top_singular_values.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(options.top_count, values.size())));
    result.max_singular_value = largest;
    if (!(largest > 0)) {
        const auto none = metric::missing("all zero");
        result.min_singular_value = result.stable_rank = result.effective_rank = result.numerical_rank = 0.0;
        result.rank_90_energy = result.rank_95_energy = result.rank_99_energy = 0.0;
        result.condition_number = result.condition_number_at_least = result.deflated_stable_rank = result.entropy_rank =
            result.singular_value_ratio = result.condition_number_p_value = none;
        result.singular_values = std::move(spectrum);
        return result;
    }
    const double half_width = spectrum.half_widths.back();
    if (half_width <= 1e-3 * smallest) {
        result.min_singular_value = smallest;
        result.condition_number = result.condition_number_at_least = largest / smallest;
        result.singular_value_ratio = smallest / largest;
    } else {
        const auto none = metric::missing("singular to working precision");
        result.min_singular_value = result.condition_number = result.singular_value_ratio = none;
        result.condition_number_at_least = largest / (smallest + half_width);
    }
    result.condition_number_p_value = condition_number_p_value(result.condition_number_at_least.value, rows, cols);

    double energy = 0;
    for (const double s : values)
        energy += s * s;
    const auto count_above = [&](double limit) {
        return static_cast<double>(std::partition_point(values.begin(), values.end(), [limit](double s) { return s > limit; }) - values.begin());
    };
    result.stable_rank = energy / (largest * largest);
    result.deflated_stable_rank = values.size() > 1 && values[1] > 0
                                    ? metric((energy - largest * largest) / (values[1] * values[1]))
                                    : metric::missing("one direction");
    result.effective_rank = count_above(0.01 * largest);
    result.numerical_rank = count_above(static_cast<double>(std::max(rows, cols)) * 0x1p-23 * largest);
    result.entropy_rank = entropy_rank(values);
    result.rank_90_energy = static_cast<double>(energy_rank(values, energy, 0.90));
    result.rank_95_energy = static_cast<double>(energy_rank(values, energy, 0.95));
    result.rank_99_energy = static_cast<double>(energy_rank(values, energy, 0.99));
    result.singular_values = std::move(spectrum);
    return result;
}

inline spectral_result spectral(const matrix_source& matrix, const spectral_options& options)
{
    const double largest = max_magnitude(matrix.elements);
    if (!std::isfinite(largest)) {
        constexpr const char* reason = "entries that are not finite";
        spectral_result result = no_spectrum(matrix.rows, matrix.cols, reason);
        if (options.heavy_tail)
            result.heavy_tail = no_heavy_tail(reason);
        if (options.marchenko_pastur)
            result.marchenko_pastur = no_marchenko_pastur(reason);
        return result;
    }
    spectral_result result = spectral_of(singular_values(matrix, largest, {}), matrix.rows, matrix.cols, options);
    const singular_values_result& spectrum = result.singular_values;
    if (options.heavy_tail)
        result.heavy_tail = heavy_tail_of(spectrum, *options.heavy_tail);
    if (options.marchenko_pastur) {
        result.marchenko_pastur = marchenko_pastur_of(spectrum, matrix.rows, matrix.cols);
        if (options.marchenko_pastur->shuffles > 0 && !spectrum.values.empty())
            result.marchenko_pastur->shuffled = shuffled_bulk_of(matrix, largest, spectrum.values, *options.marchenko_pastur);
    }
    return result;
}

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
