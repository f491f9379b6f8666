#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// The names and values of a result, in the order of a report: the one place that JSON and CSV take them from.
///
/// `f(name, value)` is called for each field; a value is a metric, a whole_metric, a number, a string, a vector of numbers, or a
/// struct with fields of its own, for which has_fields holds; std::optional is passed only where it holds something.

/// A metric whose value is a whole number.
struct whole_metric
{
    metric number = {};
};

namespace detail {

struct structured_fields
{
    const structured_sparsity_result* result = nullptr;  // null: no fields, {} in JSON
};

// 0 stands for a baseline that was not worked out, for the same reason as the metric it belongs to.
inline metric known_baseline(double value, const metric& beside)
{
    return value > 0 ? metric(value) : metric::missing(beside.exists() ? "not computed" : beside.reason);
}

// A double as Python's repr spells it, so that keys made of thresholds are those of Python scripts: 0.0, 1e-06, 0.0001, 0.01.
inline std::string python_repr(double value)
{
    std::string text =
        fmt::format("{}", value);  // shortest that reads back, exponent from 1e16 on and below 1e-4, as in Python
    if (text.find_first_not_of("-0123456789") == std::string::npos)
        text += ".0";
    return text;
}

}  // namespace detail

template <class F>
void for_each_field(const value_histogram& r, F&& f)
{
    f("edges", r.edges);
    f("counts", r.counts);
}

template <class F>
void for_each_field(const basic_stats_result& r, F&& f)
{
    f("mean", r.mean);
    f("std", r.std);
    f("min", r.min);
    f("max", r.max);
    f("l2_norm", r.l2_norm);
    f("zeros_percentage", r.zeros_percentage);
    f("count", r.census.count);
    f("finite_count", r.census.finite_count());
    f("nan_count", r.census.nan_count);
    f("inf_count", r.census.infinity_count());
    f("positive_inf_count", r.census.positive_infinity_count);
    f("negative_inf_count", r.census.negative_infinity_count);
    f("subnormal_count", r.census.subnormal_count);
    f("zero_count", r.census.zero_count);
    f("negative_zero_count", r.census.negative_zero_count);
    f("skewness", r.skewness);
    f("kurtosis", r.kurtosis);
    f("histogram", r.histogram);
}

template <class F>
void for_each_field(const spectral_result& r, F&& f)
{
    f("max_singular_value", r.max_singular_value);
    f("min_singular_value", r.min_singular_value);
    f("condition_number", r.condition_number);
    f("stable_rank", r.stable_rank);
    f("effective_rank", whole_metric{r.effective_rank});
    f("total_rank", r.total_rank);
    f("top_singular_values", r.top_singular_values);
    f("singular_value_ratio", r.singular_value_ratio);
    f("rows", r.rows);
    f("columns", r.cols);
    f("condition_number_at_least", r.condition_number_at_least);
    f("condition_number_p_value", r.condition_number_p_value);
    f("deflated_stable_rank", r.deflated_stable_rank);
    f("entropy_rank", r.entropy_rank);
    f("numerical_rank", whole_metric{r.numerical_rank});
    f("rank_90_energy", whole_metric{r.rank_90_energy});
    f("rank_95_energy", whole_metric{r.rank_95_energy});
    f("rank_99_energy", whole_metric{r.rank_99_energy});
    f("gaussian_condition_number", detail::known_baseline(r.gaussian_condition_number, r.stable_rank));
    f("gaussian_stable_rank", detail::known_baseline(r.gaussian_stable_rank, r.stable_rank));
    f("method", r.singular_values.method);
}

template <class F>
void for_each_field(const quantization_sensitivity_result& r, F&& f)
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
        f(fmt::format("p{}", p.percent), p.value);
}

template <class F>
void for_each_field(const detail::structured_fields& structured, F&& f)
{
    if (!structured.result)
        return;
    const structured_sparsity_result& r = *structured.result;
    f("dead_rows", r.dead_rows);
    f("dead_rows_percentage", r.dead_rows_percentage);
    f("dead_columns", r.dead_columns);
    f("dead_columns_percentage", r.dead_columns_percentage);
    f("two_of_four_percentage", r.two_of_four_percentage);
    f("four_of_eight_percentage", r.four_of_eight_percentage);
}

template <class F>
void for_each_field(const sparsity_result& r, F&& f)
{
    f("sparsity_levels", r.sparsity_levels);
    f("structured_sparsity", detail::structured_fields{r.structured_sparsity ? &*r.structured_sparsity : nullptr});
    f("magnitude_percentiles", r.magnitude_percentiles);
    f("mean_abs_weight", r.mean_abs_weight);
    f("median_abs_weight", r.median_abs_weight);
}

/// All but the name, which is the key of a layer in JSON and the first column in CSV. Texts that are empty are left out.
template <class F>
void for_each_field(const layer_result& r, F&& f)
{
    const auto text = [&](const char* name, const std::string& value) {
        if (!value.empty())
            f(name, value);
    };
    f("shape", r.shape);
    f("dtype", r.dtype);
    f("parameters", r.parameters);
    f("transposed", r.transposed);
    text("tied_to", r.tied_to);
    text("duplicate_of", r.duplicate_of);
    text("skipped", r.skipped);
    text("error", r.error);
    if (r.basic_stats)
        f("basic_stats", *r.basic_stats);
    if (r.spectral)
        f("spectral", *r.spectral);
    if (r.quantization)
        f("quantization", *r.quantization);
    if (r.sparsity)
        f("sparsity", *r.sparsity);
}

template <class F>
void for_each_field(const scanned_model& r, F&& f)
{
    f("path", r.path);
    f("format", r.format);
    f("architecture", r.architecture);
    f("tensors", r.tensors);
    f("parameters", r.parameters);
    f("bytes", r.bytes);
}

namespace detail {

struct ignore_fields
{
    template <class T>
    void operator()(std::string_view, const T&) const
    {
    }
};

}  // namespace detail

/// Structs that for_each_field takes apart.
template <class T>
concept has_fields = requires(const T& value)
{
    for_each_field(value, detail::ignore_fields{});
};

}  // namespace weightscope
