#pragma once

#include <cstddef>
#include <optional>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
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

WEIGHTSCOPE_INLINE quantization_sensitivity_result quantization_sensitivity_of(const element_survey& survey, const std::optional<row_survey>& rows,
                                                                               const quantization_sensitivity_options& options);

WEIGHTSCOPE_INLINE element_questions quantization_questions(const quantization_sensitivity_options& options);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/quantization_sensitivity.hpp>
#endif
