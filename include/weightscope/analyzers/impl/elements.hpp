#pragma once

#include <cstddef>
#include <optional>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE elements_result analyze_elements(const weight_source& elements, std::optional<std::size_t> rows, const elements_options& options)
{
    element_questions questions;
    if (options.basic_stats)
        questions.histogram_bins = options.basic_stats->histogram_bins;
    if (options.quantization) {
        questions.outliers = true;
        questions.quantization_bits = options.quantization->bits;
    }
    if (options.sparsity) {
        const element_questions sparsity = sparsity_questions(*options.sparsity);
        questions.thresholds = sparsity.thresholds;
        questions.magnitude_percentiles = sparsity.magnitude_percentiles;
    }
    const element_survey survey = survey_source(elements, questions);

    std::optional<row_survey> by_rows;
    if (rows && (options.quantization || options.sparsity)) {
        const auto quantization = options.quantization.value_or(quantization_sensitivity_options{});
        by_rows = survey_rows(matrix_of(elements, *rows), quantization.bits, quantization.group_size);
    }

    elements_result result{.census = survey.census};
    if (options.basic_stats)
        result.basic_stats = basic_stats_of(survey);
    if (options.quantization)
        result.quantization = quantization_sensitivity_of(survey, by_rows, *options.quantization);
    if (options.sparsity) {
        result.sparsity = sparsity_of(survey, *options.sparsity);
        if (by_rows)
            result.sparsity->structured_sparsity = structured_sparsity_of(*by_rows, *rows, *rows ? elements.size / *rows : 0);
    }
    return result;
}

}  // namespace weightscope::detail
