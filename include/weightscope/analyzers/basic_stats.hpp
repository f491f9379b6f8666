#pragma once

#include <cmath>
#include <cstddef>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope {

struct basic_stats_options
{
    std::size_t histogram_bins = 64;  ///< 0 for no histogram
};

struct basic_stats_result
{
    value_census census = {};        ///< how many entries are finite, NaN, infinite, subnormal, zero
    metric mean = {};                ///< of the finite entries, like all below
    metric std = {};                 ///< with N - 1; missing for one entry
    metric min = {};
    metric max = {};
    metric l2_norm = {};             ///< Frobenius norm
    metric zeros_percentage = {};    ///< share that is +0 or -0, 0 to 100
    metric skewness = {};            ///< third standardised moment (population); 0 for a symmetric distribution
    metric kurtosis = {};            ///< excess: fourth standardised moment minus 3; 0 for a Gaussian, -1.2 for a uniform
    value_histogram histogram = {};
};

namespace detail {

inline basic_stats_result basic_stats_of(const element_survey& survey)
{
    basic_stats_result result{.census = survey.census, .histogram = survey.histogram};
    const std::size_t count = survey.census.finite_count();
    if (count == 0) {
        const auto none = metric::missing(survey.census.count == 0 ? "no entries" : "no finite entries");
        result.mean = result.std = result.min = result.max = result.l2_norm = result.zeros_percentage = result.skewness =
            result.kurtosis = none;
        return result;
    }
    const value_moments& m = survey.moments;
    const auto n = static_cast<double>(count);
    result.mean = m.mean;
    result.std = count > 1 ? metric(std::sqrt(m.m2 / (n - 1))) : metric::missing("one entry");
    result.min = m.min;
    result.max = m.max;
    result.zeros_percentage = 100 * static_cast<double>(survey.census.zero_count) / n;
    const auto underflow = metric::missing("squares underflow in double");
    const double squares = survey.sum_squares();
    result.l2_norm = squares > 0 || survey.max_magnitude() == 0 ? metric(std::sqrt(squares)) : underflow;
    if (m.min == m.max) {
        result.std = count > 1 ? metric(0) : result.std;
        result.skewness = result.kurtosis = metric::missing("constant");
    } else if (!(m.m2 > 0)) {
        result.std = result.skewness = result.kurtosis = underflow;
    } else {
        const double variance = m.m2 / n;
        result.skewness = m.m3 / n / (variance * std::sqrt(variance));
        result.kurtosis = m.m4 / n / (variance * variance) - 3;
    }
    return result;
}

}  // namespace detail

/// Moments, extremes and the census of all elements of `weights`.
///
///     skewness = mean((w - μ)³) / mean((w - μ)²)^1.5        kurtosis = mean((w - μ)⁴) / mean((w - μ)²)²  -  3
///
/// @param weights  any rank, layout and weight scalar
/// @param options  see basic_stats_options
/// @return         see basic_stats_result; computed on the finite entries
/// @note           sums in double about a value near the middle, in a fixed order: same bits for any number of threads; passes
///                 as in survey_elements
template <tensor W>
[[nodiscard]] basic_stats_result analyze_basic_stats(const W& weights, const basic_stats_options& options = {})
{
    return detail::basic_stats_of(survey_elements(weights, {.histogram_bins = options.histogram_bins}));
}

}  // namespace weightscope
