#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/quantization_error.hpp>

namespace weightscope {

struct quantization_sensitivity_options
{
    int bits = 8;                  ///< 2 to 16, sign included
    std::size_t group_size = 128;  ///< neighbours along a row that share a scale in `group_sqnr_db`
};

struct quantization_sensitivity_result
{
    int bits = 8;
    std::size_t group_size = 128;
    std::size_t outlier_count = 0;            ///< outside the fences 1.5 IQR beyond the quartiles
    std::size_t extreme_outlier_count = 0;    ///< outside the fences 3 IQR beyond
    metric outlier_percentage = {};           ///< of the finite entries, 0 to 100; a Gaussian has 0.70
    metric extreme_outlier_percentage = {};   ///< a Gaussian has 0.00023
    metric quantization_scale = {};           ///< abs_max / (2^(bits-1) - 1), units of w
    metric quantization_mse = {};             ///< mean e², e = w - ŵ, one scale for the tensor
    metric quantization_mae = {};             ///< mean |e|
    metric cosine_similarity = {};            ///< of w and ŵ, at most 1
    metric sqnr_db = {};                      ///< 10 log10(Σw² / Σe²); missing with reason "exact" where every weight is a code
    metric abs_max = {};
    metric dynamic_range = {};                ///< abs_max / mean|w|
    metric per_channel_sqnr_db = {};          ///< the same with one scale per row; rank 2 or more
    metric group_sqnr_db = {};                ///< the same with one scale per `group_size` neighbours of a row
    metric gaussian_sqnr_db = {};             ///< what sqnr_db would be for as many Gaussian entries
};

namespace detail {

inline quantization_sensitivity_result quantization_sensitivity_of(const element_survey& survey, const std::optional<row_survey>& rows,
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

inline element_questions quantization_questions(const quantization_sensitivity_options& options)
{
    return {.outliers = true, .quantization_bits = options.bits};
}

}  // namespace detail

/// What symmetric integer quantization would lose, and the outliers that make it lose it.
///
///     s = max|w| / (2^(bits-1) - 1)    ŵ = rne(w / s) s    SQNR = 10 log10(Σ w² / Σ (w - ŵ)²)
///
/// With one scale for the tensor; for a rank of 2 or more also with one per row and one per group of a row.
///
/// @param weights  any rank, layout and weight scalar; rank 2 or more is seen as [out, in * kernel]
/// @param options  see quantization_sensitivity_options
/// @return         see quantization_sensitivity_result; computed on the finite entries
/// @throws std::invalid_argument  bits or group_size out of range
/// @note           rne rounds halves to even; scale and error in double; two passes, three for a matrix
/// @see            Nagel et al. 2021, arXiv:2106.08295; the fences are Tukey's (1977)
template <tensor W>
[[nodiscard]] quantization_sensitivity_result
analyze_quantization_sensitivity(const W& weights, const quantization_sensitivity_options& options = {})
{
    require(options.bits >= 2 && options.bits <= 16,
            "analyze_quantization_sensitivity(weights, options): options.bits is {}, expected 2 to 16", options.bits);
    require(options.group_size > 0,
            "analyze_quantization_sensitivity(weights, options): options.group_size is 0, expected 1 or more");
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        std::optional<row_survey> rows;
        if (weights.dimension() >= 2)
            rows = detail::survey_rows(detail::matrix_of(source, weights.shape(0)), options.bits, options.group_size);
        return detail::quantization_sensitivity_of(detail::survey_source(source, detail::quantization_questions(options)), rows, options);
    });
}

}  // namespace weightscope
