#pragma once

#include <cmath>
#include <cstddef>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE basic_stats_result basic_stats_of(const element_survey& survey)
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

}  // namespace weightscope::detail
