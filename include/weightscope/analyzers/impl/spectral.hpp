#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

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

WEIGHTSCOPE_INLINE double entropy_rank(std::span<const double> values)
{
    double sum = 0, entropy = 0;
    for (const double s : values)
        sum += s;
    for (const double s : values)
        entropy -= s > 0 ? s / sum * std::log(s / sum) : 0;
    return std::exp(entropy);
}

WEIGHTSCOPE_INLINE spectral_result no_spectrum(std::size_t rows, std::size_t cols, const std::string& reason)
{
    spectral_result result{.rows = rows, .cols = cols, .total_rank = std::min(rows, cols)};
    const auto none = metric::missing(reason);
    result.max_singular_value = result.min_singular_value = result.condition_number = result.condition_number_at_least =
        result.stable_rank = result.deflated_stable_rank = result.effective_rank = result.entropy_rank = result.numerical_rank =
            result.rank_90_energy = result.rank_95_energy = result.rank_99_energy = result.singular_value_ratio =
                result.condition_number_p_value = none;
    return result;
}

WEIGHTSCOPE_INLINE spectral_result spectral_of(singular_values_result spectrum, std::size_t rows, std::size_t cols, const spectral_options& options)
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

WEIGHTSCOPE_INLINE spectral_result spectral(const matrix_source& matrix, const spectral_options& options)
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

}  // namespace weightscope::detail
