#pragma once

#include <cmath>
#include <cstddef>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

enum class outlier_method
{
    iqr,     ///< outside [q1 - t IQR, q3 + t IQR]; t = 1.5 by default, 3 for "extreme" (Tukey 1977)
    zscore,  ///< |w - mean| > t std; t = 3 by default
    mad,     ///< |w - median| > t 1.4826 MAD; t = 3.5 by default: the z-score that outliers cannot hide behind (Iglewicz & Hoaglin 1993)
};

struct detect_outliers_options
{
    outlier_method method = outlier_method::iqr;
    double threshold = 0;  ///< t of the method, above 0; 0 takes the method's default
};

struct detect_outliers_result
{
    outlier_method method = outlier_method::iqr;
    double threshold = 0;               ///< t as used
    metric centre = {};                 ///< median of the fences, mean, or median
    metric spread = {};                 ///< IQR, std, or 1.4826 MAD; missing where it is 0, and nothing is called an outlier then
    double lower_fence = 0;             ///< w below is an outlier
    double upper_fence = 0;             ///< w above is an outlier
    std::size_t outlier_count = 0;
    metric outlier_percentage = {};     ///< of the finite entries, 0 to 100
    metric max_outlier = {};            ///< the largest outlier; missing where there is none
    metric min_outlier = {};
};

namespace detail {

WEIGHTSCOPE_INLINE detect_outliers_result detect_outliers(const weight_source& weights, const detect_outliers_options& options);

}  // namespace detail

/// Entries far from the bulk, by one of three usual rules.
///
/// @param weights  any rank, layout and weight scalar
/// @param options  see detect_outliers_options; `detect_outliers(w, {.method = outlier_method::mad})`
/// @return         see detect_outliers_result; computed on the finite entries
/// @throws std::invalid_argument  the threshold is negative or not finite
/// @note           three passes; mad copies the tensor to double
/// @see            Tukey 1977, Exploratory Data Analysis; Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers
template <tensor W>
[[nodiscard]] detect_outliers_result detect_outliers(const W& weights, const detect_outliers_options& options = {})
{
    require(options.threshold >= 0 && std::isfinite(options.threshold),
            "detect_outliers(weights, options): options.threshold is {}, expected 0 (the method's default) or more", options.threshold);
    return detail::with_source(weights, [&](const auto& source) { return detail::detect_outliers(source, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/outliers.hpp>
#endif
