#pragma once

#include <cstddef>
#include <iterator>

#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

inline constexpr int magnitude_percents[] = {10, 25, 50, 75, 90};

WEIGHTSCOPE_INLINE element_questions sparsity_questions(const sparsity_options& options)
{
    element_questions questions{.thresholds = options.thresholds};
    for (const int percent : magnitude_percents)
        questions.magnitude_percentiles.push_back(percent / 100.0);
    return questions;
}

WEIGHTSCOPE_INLINE structured_sparsity_result structured_sparsity_of(const row_survey& survey, std::size_t rows, std::size_t cols)
{
    return {.dead_rows = survey.dead_rows,
            .dead_columns = survey.dead_columns,
            .dead_rows_percentage = percentage(survey.dead_rows, rows, "no rows"),
            .dead_columns_percentage = percentage(survey.dead_columns, cols, "no columns"),
            .two_of_four_percentage = percentage(survey.two_of_four.satisfied, survey.two_of_four.groups, "rows shorter than 4"),
            .four_of_eight_percentage =
                percentage(survey.four_of_eight.satisfied, survey.four_of_eight.groups, "rows shorter than 8")};
}

WEIGHTSCOPE_INLINE sparsity_result sparsity_of(const element_survey& survey, const sparsity_options& options)
{
    sparsity_result result;
    const std::size_t count = survey.census.finite_count();
    const char* none = survey.census.count == 0 ? "no entries" : "no finite entries";
    for (std::size_t i = 0; i < options.thresholds.size(); ++i)
        result.sparsity_levels.push_back({.threshold = options.thresholds[i],
                                          .count = survey.threshold_counts[i],
                                          .percentage = percentage(survey.threshold_counts[i], count, none)});
    for (std::size_t i = 0; i < std::size(magnitude_percents); ++i)
        result.magnitude_percentiles.push_back(
            {magnitude_percents[i], count ? metric(survey.magnitude_percentiles[i]) : metric::missing(none)});
    result.mean_abs_weight =
        count ? metric(survey.moments.sum_magnitude / static_cast<double>(count)) : metric::missing(none);
    result.median_abs_weight = result.magnitude_percentiles[2].value;
    return result;
}

}  // namespace weightscope::detail
