#pragma once
// The fields of results about elements, see fields.hpp.

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/field_words.hpp>

namespace weightscope {

namespace detail {

struct structured_fields
{
    std::optional<structured_sparsity_result> result = {};  // absent: no fields, {} in JSON
};

// A double as Python's repr spells it, so that keys made of thresholds are those of Python scripts: 0.0, 1e-06, 0.0001, 0.01.
WEIGHTSCOPE_INLINE std::string python_repr(double value);

}  // namespace detail

template <detail::fields_of<value_histogram> R, class F>
void for_each_field(R& r, F&& f)
{
    f("edges", r.edges);
    f("counts", r.counts);
}

template <detail::fields_of<value_census> R, class F>
void for_each_field(R& r, F&& f)
{
    f("count", r.count);
    f("finite_count", r.finite_count());
    f("nan_count", r.nan_count);
    f("inf_count", r.infinity_count());
    f("positive_inf_count", r.positive_infinity_count);
    f("negative_inf_count", r.negative_infinity_count);
    f("subnormal_count", r.subnormal_count);
    f("zero_count", r.zero_count);
    f("negative_zero_count", r.negative_zero_count);
}

template <detail::fields_of<basic_stats_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("mean", r.mean);
    f("std", r.std);
    f("min", r.min);
    f("max", r.max);
    f("l2_norm", r.l2_norm);
    f("zeros_percentage", r.zeros_percentage);
    for_each_field(r.census, f);
    f("skewness", r.skewness);
    f("kurtosis", r.kurtosis);
    f("histogram", r.histogram);
}

template <detail::fields_of<bit_flips_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("suspect_count", r.suspect_count);
    f("excess_bits", r.excess_bits);
    f("value", r.value);
    f("restored", r.restored);
    f("next_magnitude", r.next_magnitude);
    f("index", r.index);
    f("exponent_bit", r.exponent_bit);
}

template <detail::fields_of<quantization_sensitivity_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("outlier_percentage", r.outlier_percentage);
    f("extreme_outlier_percentage", r.extreme_outlier_percentage);
    f("outlier_count", r.outlier_count);
    f("extreme_outlier_count", r.extreme_outlier_count);
    f("bits", r.bits);
    f("quantization_scale", r.quantization_scale);
    f("quantization_mse", r.quantization_mse);
    f("quantization_mae", r.quantization_mae);
    f("cosine_similarity", r.cosine_similarity);
    f("sqnr_db", r.sqnr_db);
    f("abs_max", r.abs_max);
    f("dynamic_range", r.dynamic_range);
    f("per_channel_sqnr_db", r.per_channel_sqnr_db);
    f("group_size", r.group_size);
    f("group_sqnr_db", r.group_sqnr_db);
    f("gaussian_sqnr_db", r.gaussian_sqnr_db);
}

template <class F>
void for_each_field(const std::vector<sparsity_level>& levels, F&& f)
{
    for (const sparsity_level& level : levels)
        f("threshold_" + detail::python_repr(level.threshold), level.percentage);
}

template <class F>
void for_each_field(const std::vector<magnitude_percentile>& percentiles, F&& f)
{
    for (const magnitude_percentile& p : percentiles)
        f("p" + std::to_string(p.percent), p.value);
}

template <detail::fields_of<structured_sparsity_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("dead_rows", r.dead_rows);
    f("dead_rows_percentage", r.dead_rows_percentage);
    f("dead_columns", r.dead_columns);
    f("dead_columns_percentage", r.dead_columns_percentage);
    f("two_of_four_percentage", r.two_of_four_percentage);
    f("four_of_eight_percentage", r.four_of_eight_percentage);
}

template <class F>
void for_each_field(const detail::structured_fields& structured, F&& f)
{
    if (structured.result)
        for_each_field(*structured.result, f);
}

template <detail::fields_of<sparsity_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("sparsity_levels", r.sparsity_levels);
    detail::structured_fields structured{r.structured_sparsity};
    f("structured_sparsity", structured);
    if constexpr (!std::is_const_v<R>)
        r.structured_sparsity = structured.result;
    f("magnitude_percentiles", r.magnitude_percentiles);
    f("mean_abs_weight", r.mean_abs_weight);
    f("median_abs_weight", r.median_abs_weight);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/element_fields.hpp>
#endif
