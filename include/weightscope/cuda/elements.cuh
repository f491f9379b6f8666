#pragma once

#include <weightscope/cuda/error.cuh>

#include <optional>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/element_survey.cuh>
#include <weightscope/cuda/row_survey.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

/// analyze_basic_stats for numbers in the memory of a device; exactness as survey_elements has it.
///
/// @throws std::invalid_argument  a view that describes no memory, 2^32 numbers or more
/// @throws cuda_error             a call of CUDA failed
template <class T>
[[nodiscard]] basic_stats_result analyze_basic_stats(const device_view<T>& weights, const basic_stats_options& options, cuda_workspace& workspace)
{
    return detail::basic_stats_of(survey_elements(weights, element_questions{.histogram_bins = options.histogram_bins}, workspace));
}

template <class T>
[[nodiscard]] basic_stats_result analyze_basic_stats(const device_view<T>& weights, const basic_stats_options& options = {})
{
    cuda_workspace workspace(weights.stream);
    return analyze_basic_stats(weights, options, workspace);
}

/// analyze_elements for numbers in the memory of a device: basic statistics, sensitivity to quantization and sparsity together.
///
///     const elements_result result = analyze_elements(w, {}, workspace);
///
/// @return  counts, percentiles and extremes are exactly the host's; sums to 1e-12, for types of up to 16 bits those of single elements to the
///          last bit
/// @throws std::invalid_argument  as the host's function; 2^32 numbers or more
/// @throws cuda_error             a call of CUDA failed
template <class T>
[[nodiscard]] elements_result analyze_elements(const device_view<T>& weights, const elements_options& options, cuda_workspace& workspace)
{
    element_questions questions;
    if (options.basic_stats)
        questions.histogram_bins = options.basic_stats->histogram_bins;
    if (options.quantization) {
        require(options.quantization->bits >= 2 && options.quantization->bits <= 16,
                "analyze_elements(weights, options): options.quantization.bits is {}, expected 2 to 16", options.quantization->bits);
        require(options.quantization->group_size > 0, "analyze_elements(weights, options): options.quantization.group_size is 0, expected 1 or more");
        questions.outliers = true;
        questions.quantization_bits = options.quantization->bits;
    }
    if (options.sparsity) {
        for (const double t : options.sparsity->thresholds)
            require(t >= 0, "analyze_elements(weights, options): options.sparsity.thresholds has {}, expected 0 or more", t);
        const element_questions sparsity = detail::sparsity_questions(*options.sparsity);
        questions.thresholds = sparsity.thresholds;
        questions.magnitude_percentiles = sparsity.magnitude_percentiles;
    }
    const element_survey survey = survey_elements(weights, questions, workspace);
    std::optional<row_survey> rows;
    if (weights.is_matrix && (options.quantization || options.sparsity)) {
        const auto quantization = options.quantization.value_or(quantization_sensitivity_options{});
        rows = survey_rows(weights, quantization.bits, quantization.group_size, workspace);
    }
    elements_result result{.census = survey.census};
    if (options.basic_stats)
        result.basic_stats = detail::basic_stats_of(survey);
    if (options.quantization)
        result.quantization = detail::quantization_sensitivity_of(survey, rows, *options.quantization);
    if (options.sparsity) {
        result.sparsity = detail::sparsity_of(survey, *options.sparsity);
        if (rows)
            result.sparsity->structured_sparsity = detail::structured_sparsity_of(*rows, weights.rows, weights.cols);
    }
    return result;
}

template <class T>
[[nodiscard]] elements_result analyze_elements(const device_view<T>& weights, const elements_options& options = {})
{
    cuda_workspace workspace(weights.stream);
    return analyze_elements(weights, options, workspace);
}

}  // namespace weightscope
