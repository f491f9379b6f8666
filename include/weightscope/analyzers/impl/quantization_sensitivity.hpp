#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/quantization_error.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE quantization_sensitivity_result quantization_sensitivity_of(const element_survey& survey, const std::optional<row_survey>& rows,
                                                                               const quantization_sensitivity_options& options)
{
    quantization_sensitivity_result result{.bits = options.bits, .group_size = options.group_size};
    const std::size_t count = survey.census.finite_count();
    if (count == 0) {
        const auto none = metric::missing(survey.census.count == 0 ? "no entries" : "no finite entries");
        result.outlier_percentage = result.extreme_outlier_percentage = result.quantization_scale = result.quantization_mse =
            result.quantization_mae = result.cosine_similarity = result.sqnr_db = result.abs_max = result.dynamic_range =
                result.per_channel_sqnr_db = result.group_sqnr_db = result.gaussian_sqnr_db = none;
        return result;
    }
    const auto n = static_cast<double>(count);
    const quantization_error_sums& errors = survey.quantization;
    result.outlier_count = survey.outlier_count;
    result.extreme_outlier_count = survey.extreme_outlier_count;
    result.outlier_percentage = 100 * static_cast<double>(survey.outlier_count) / n;
    result.extreme_outlier_percentage = 100 * static_cast<double>(survey.extreme_outlier_count) / n;
    result.abs_max = survey.max_magnitude();
    result.quantization_scale = errors.scale;
    result.gaussian_sqnr_db = gaussian_sqnr_db(count, options.bits);

    const double signal = survey.sum_squares();
    result.sqnr_db = sqnr_db(signal, errors.squared_error);
    if (!(errors.scale > 0)) {
        const auto none = metric::missing(signal > 0 ? "scale underflows" : "all zero");
        result.quantization_mse = result.quantization_mae = signal > 0 ? none : metric(0);
        result.cosine_similarity = result.dynamic_range = none;
        result.sqnr_db = none;
    } else {
        result.quantization_mse = errors.squared_error / n;
        result.quantization_mae = errors.absolute_error / n;
        result.dynamic_range = survey.max_magnitude() / (survey.moments.sum_magnitude / n);
        const double dot = signal - errors.signal_error, quantized = signal - 2 * errors.signal_error + errors.squared_error;
        result.cosine_similarity =
            quantized > 0 ? metric(std::min(1.0, dot / std::sqrt(signal * quantized))) : metric::missing("all codes are 0");
    }
    if (rows) {
        result.per_channel_sqnr_db = sqnr_db(rows->sum_squares, rows->channel_squared_error);
        result.group_sqnr_db = sqnr_db(rows->sum_squares, rows->group_squared_error);
    } else {
        result.per_channel_sqnr_db = result.group_sqnr_db = metric::missing("not a matrix");
    }
    return result;
}

WEIGHTSCOPE_INLINE element_questions quantization_questions(const quantization_sensitivity_options& options)
{
    return {.outliers = true, .quantization_bits = options.bits};
}

}  // namespace weightscope::detail
