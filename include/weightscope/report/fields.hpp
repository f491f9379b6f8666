#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/spectral_fields.hpp>

namespace weightscope {

/// The names and values of a result, in the order of a report: the one place that JSON and CSV take them from.
///
/// `f(name, value)` is called for each field; a value is a metric, a whole_metric, a number, a string, a vector of numbers, or a
/// struct with fields of its own, for which has_fields holds; std::optional is passed only where it holds something.

namespace detail {

struct structured_fields
{
    const structured_sparsity_result* result = nullptr;  // null: no fields, {} in JSON
};

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
void for_each_field(const value_census& r, F&& f)
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

template <class F>
void for_each_field(const basic_stats_result& r, F&& f)
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

/// All but the name, which is the key of a layer in JSON and the first column in CSV. Texts that are empty are left out, and so is the
/// census where the basic statistics hold it.
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
    if (r.census && !r.basic_stats)
        f("census", *r.census);
    if (r.basic_stats)
        f("basic_stats", *r.basic_stats);
    if (r.spectral)
        f("spectral", *r.spectral);
    if (r.tap_spectra)
        f("tap_spectra", *r.tap_spectra);
    if (r.convolution_norm)
        f("convolution_norm", *r.convolution_norm);
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
