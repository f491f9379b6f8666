#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/outliers.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

inline double default_threshold(outlier_method method)
{
    switch (method) {
    case outlier_method::iqr: return 1.5;
    case outlier_method::zscore: return 3;
    case outlier_method::mad: return 3.5;
    }
    return 0;
}

WEIGHTSCOPE_INLINE detect_outliers_result detect_outliers(const weight_source& weights, const detect_outliers_options& options)
{
    detect_outliers_result result{.method = options.method,
                                  .threshold = options.threshold > 0 ? options.threshold : default_threshold(options.method)};
    const element_survey survey = survey_source(weights, {.percentiles = {0.5}, .outliers = true});
    const std::size_t n = survey.census.finite_count();
    if (n == 0) {
        result.centre = result.spread = result.outlier_percentage = result.max_outlier = result.min_outlier =
            metric::missing(weights.size == 0 ? "no entries" : "no finite entries");
        return result;
    }

    double lower_base = 0, upper_base = 0, spread = 0;
    switch (options.method) {
    case outlier_method::iqr:
        lower_base = survey.lower_quartile;
        upper_base = survey.upper_quartile;
        spread = upper_base - lower_base;
        break;
    case outlier_method::zscore:
        lower_base = upper_base = survey.moments.mean;
        spread = n > 1 && survey.moments.min < survey.moments.max ? std::sqrt(survey.moments.m2 / static_cast<double>(n - 1)) : 0;
        break;
    case outlier_method::mad: {
        lower_base = upper_base = survey.percentiles[0];
        std::vector<double> deviations = to_doubles(weights);
        for (double& d : deviations)
            d -= lower_base;  // what is not finite stays so
        const weight_source source = source_of(std::span<const double>(deviations));
        spread = 1.4826 * survey_source(source, {.magnitude_percentiles = {0.5}}).magnitude_percentiles[0];
        break;
    }
    }
    result.centre = options.method == outlier_method::iqr ? survey.percentiles[0] : lower_base;
    result.spread = spread > 0 ? metric(spread) : metric::missing("no spread: half of the entries or more are equal");
    result.lower_fence = spread > 0 ? lower_base - result.threshold * spread : survey.moments.min;
    result.upper_fence = spread > 0 ? upper_base + result.threshold * spread : survey.moments.max;

    double low = 0, high = 0;
    std::vector<double> block(std::min(weights.size, block_elements));
    for (std::size_t begin = 0; begin < weights.size; begin += block_elements) {
        block.resize(std::min(weights.size - begin, block_elements));
        weights.read_double(weights.data, begin, block.size(), block.data());
        for (const double x : block) {
            if (!std::isfinite(x) || (x >= result.lower_fence && x <= result.upper_fence))
                continue;
            low = result.outlier_count ? std::min(low, x) : x;
            high = result.outlier_count ? std::max(high, x) : x;
            ++result.outlier_count;
        }
    }
    result.outlier_percentage = 100 * static_cast<double>(result.outlier_count) / static_cast<double>(n);
    result.max_outlier = result.outlier_count ? metric(high) : metric::missing("no outliers");
    result.min_outlier = result.outlier_count ? metric(low) : metric::missing("no outliers");
    return result;
}

}  // namespace weightscope::detail
