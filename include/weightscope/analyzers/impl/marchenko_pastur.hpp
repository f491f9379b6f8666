#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/marchenko_pastur_law.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/shuffle.hpp>

namespace weightscope::detail {

inline eigenvalue_bulk bulk_of(const matrix_eigenvalues& eigenvalues, double variance)
{
    const double n = std::sqrt(eigenvalues.longer()), m = std::sqrt(eigenvalues.shorter());
    const double limit = variance * gaussian_largest_eigenvalue(eigenvalues.rows, eigenvalues.cols);
    eigenvalue_bulk bulk{.std = std::sqrt(variance),
                         .bulk_min = variance * (n - m) * (n - m),
                         .bulk_max = variance * (n + m) * (n + m),
                         .spike_limit = limit,
                         .spike_count = static_cast<double>(eigenvalues.count_above(limit))};
    bulk.soft_rank = bulk.bulk_max.value / eigenvalues.values.front();
    return bulk;
}

inline eigenvalue_bulk no_bulk(const char* reason)
{
    const auto none = metric::missing(reason);
    return {none, none, none, none, none, none};
}

WEIGHTSCOPE_INLINE marchenko_pastur_result no_marchenko_pastur(const char* reason)
{
    return {.elements = no_bulk(reason), .fitted = no_bulk(reason), .bulk_ks_distance = metric::missing(reason)};
}

// The variance with which the law's median is that of the eigenvalues below the spikes; spikes are what lies above the limit that it
// gives, so that it falls, and they grow in number, until nothing changes. Nothing where they take half of the spectrum.
inline std::optional<double> fitted_variance(const matrix_eigenvalues& eigenvalues)
{
    const double median_at_half = marchenko_pastur_law(eigenvalues.shorter() / eigenvalues.longer()).quantile(0.5);
    for (std::size_t spikes = 0; 2 * spikes <= eigenvalues.values.size();) {
        const auto bulk = std::span<const double>(eigenvalues.values).subspan(spikes);
        const double median = (bulk[(bulk.size() - 1) / 2] + bulk[bulk.size() / 2]) / 2;
        // k spikes leave the noise of a matrix with k rows and columns less
        const double length = eigenvalues.longer() - static_cast<double>(spikes), width = eigenvalues.shorter() - static_cast<double>(spikes);
        const double law_median = spikes == 0 ? median_at_half : marchenko_pastur_law(width / length).quantile(0.5);
        const double variance = median / (length * law_median);
        const std::size_t above = eigenvalues.count_above(variance * gaussian_largest_eigenvalue(eigenvalues.rows, eigenvalues.cols));
        if (above <= spikes)
            return variance;
        spikes = above;
    }
    return std::nullopt;
}

WEIGHTSCOPE_INLINE double bulk_ks_distance(const matrix_eigenvalues& eigenvalues, double variance, std::size_t spikes)
{
    const std::size_t count = eigenvalues.values.size() - spikes;
    const double length = eigenvalues.longer() - static_cast<double>(spikes);
    const marchenko_pastur_law law(static_cast<double>(count) / length);
    double distance = 0;
    for (std::size_t i = 0; i < count; ++i) {  // ascending
        const double share = law.cdf(eigenvalues.values[eigenvalues.values.size() - 1 - i] / (variance * length));
        const double below = static_cast<double>(i) / static_cast<double>(count), at = static_cast<double>(i + 1) / static_cast<double>(count);
        distance = std::max({distance, share - below, at - share});
    }
    return distance;
}

WEIGHTSCOPE_INLINE marchenko_pastur_result marchenko_pastur_of(const singular_values_result& spectrum, std::size_t rows, std::size_t cols)
{
    matrix_eigenvalues eigenvalues{{}, rows, cols};
    double sum = 0;
    for (std::size_t i = 0; i < spectrum.values.size(); ++i) {
        const double sigma = spectrum.values[i] > spectrum.half_widths[i] ? spectrum.values[i] : 0;
        eigenvalues.values.push_back(sigma * sigma);
        sum += eigenvalues.values.back();
    }
    if (eigenvalues.values.size() < 2)
        return no_marchenko_pastur("fewer than two directions");
    if (!(sum > 0) || !std::isfinite(sum))
        return no_marchenko_pastur(sum == 0 ? "all zero" : "squares overflow in double");
    marchenko_pastur_result result;
    result.elements = bulk_of(eigenvalues, sum / (static_cast<double>(rows) * static_cast<double>(cols)));
    const auto variance = fitted_variance(eigenvalues);
    if (!variance || !(*variance > 0)) {
        const char* reason = variance ? "half of the directions are zero" : "half of the directions are spikes";
        result.fitted = no_bulk(reason);
        result.bulk_ks_distance = metric::missing(reason);
        return result;
    }
    result.fitted = bulk_of(eigenvalues, *variance);
    result.bulk_ks_distance = bulk_ks_distance(eigenvalues, *variance, static_cast<std::size_t>(result.fitted.spike_count.value));
    return result;
}

WEIGHTSCOPE_INLINE shuffled_bulk shuffled_bulk_of(const matrix_source& matrix, double max_magnitude, std::span<const double> spectrum,
                                                  const marchenko_pastur_options& options)
{
    shuffled_bulk result{.shuffle_count = options.shuffles};
    random_stream random(options.seed);
    std::vector<std::uint64_t> storage;
    for (std::size_t i = 0; i < options.shuffles; ++i) {
        const matrix_source null = shuffled(matrix, random, storage);
        const double largest = largest_singular_value(null, max_magnitude, {}).value.value;  // to 1e-6
        result.max_eigenvalue = std::max(result.max_eigenvalue, largest * largest);
        result.mean_eigenvalue += largest * largest / static_cast<double>(options.shuffles);
    }
    for (const double sigma : spectrum)
        result.spike_count += sigma * sigma > result.max_eigenvalue;
    const double largest = spectrum.front();
    result.soft_rank = largest > 0 ? metric(result.mean_eigenvalue / (largest * largest)) : metric::missing("all zero");
    return result;
}

}  // namespace weightscope::detail
