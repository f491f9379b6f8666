#pragma once

#include <cstddef>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/core/compiled.hpp>
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

WEIGHTSCOPE_INLINE basic_stats_result basic_stats_of(const element_survey& survey);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/basic_stats.hpp>
#endif
