#pragma once

#include <cstddef>
#include <optional>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct elements_options
{
    std::optional<basic_stats_options> basic_stats = basic_stats_options{};
    std::optional<quantization_sensitivity_options> quantization = quantization_sensitivity_options{};
    std::optional<sparsity_options> sparsity = sparsity_options{};
};

struct elements_result
{
    std::optional<basic_stats_result> basic_stats = {};                ///< as analyze_basic_stats
    std::optional<quantization_sensitivity_result> quantization = {};  ///< as analyze_quantization_sensitivity
    std::optional<sparsity_result> sparsity = {};                      ///< as analyze_sparsity
    value_census census = {};                                          ///< whatever was asked for
};

namespace detail {

// `rows` is absent for a tensor that is no matrix.
inline elements_result analyze_elements(const weight_source& elements, std::optional<std::size_t> rows, const elements_options& options)
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

}  // namespace detail

/// analyze_basic_stats, analyze_quantization_sensitivity and analyze_sparsity together, in the passes that one of them needs.
///
/// @param weights  any rank, layout and weight scalar; rank 2 or more is seen as [out, in * kernel]
/// @param options  which of them, and their options; `analyze_elements(w, {.sparsity = std::nullopt})` leaves one out
/// @return         see elements_result
/// @throws std::invalid_argument  as the three functions
template <tensor W>
[[nodiscard]] elements_result analyze_elements(const W& weights, const elements_options& options = {})
{
    if (options.quantization) {
        require(options.quantization->bits >= 2 && options.quantization->bits <= 16,
                "analyze_elements(weights, options): options.quantization.bits is {}, expected 2 to 16", options.quantization->bits);
        require(options.quantization->group_size > 0,
                "analyze_elements(weights, options): options.quantization.group_size is 0, expected 1 or more");
    }
    if (options.sparsity)
        for (const double t : options.sparsity->thresholds)
            require(t >= 0, "analyze_elements(weights, options): options.sparsity.thresholds has {}, expected 0 or more", t);
    std::optional<std::size_t> rows;
    if (weights.dimension() >= 2)
        rows = weights.shape(0);
    return detail::with_source(weights, [&](const auto& source) { return detail::analyze_elements(source, rows, options); });
}

}  // namespace weightscope
