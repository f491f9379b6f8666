#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/marchenko_pastur_law.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/random.hpp>
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

inline marchenko_pastur_result no_marchenko_pastur(const char* reason)
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

inline double bulk_ks_distance(const matrix_eigenvalues& eigenvalues, double variance, std::size_t spikes)
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

// Singular values that cannot be told from 0 count as 0.
inline marchenko_pastur_result marchenko_pastur_of(const singular_values_result& spectrum, std::size_t rows, std::size_t cols)
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

inline shuffled_bulk shuffled_bulk_of(const matrix_source& matrix, double max_magnitude, std::span<const double> spectrum,
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
