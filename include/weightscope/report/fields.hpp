#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/report/field_words.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/spectral_fields.hpp>

namespace weightscope {

/// The names and values of a result, in the order of a report: the one place that JSON and CSV take them from, and that a saved scan
/// is read back by.
///
/// `f(name, value)` is called for each field; a value is a metric, a whole_metric, a number, a string, a vector of numbers, or a
/// struct with fields of its own, for which has_fields holds. Of a result that is not const, fields are passed as lvalues that f may
/// assign to, and figures that follow from other fields as rvalues. std::optional is passed only where it holds something, or where f
/// has a member `holds(name)` that says so; then it is made to.

namespace detail {

struct structured_fields
{
    std::optional<structured_sparsity_result> result = {};  // absent: no fields, {} in JSON
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

// The methods of a scan as a list of words.
template <class F, fields_of<scan_options> R>
void methods_field(F& f, R& options)
{
    std::vector<std::string> methods;
    const auto add = [&](bool chosen, const char* name) {
        if (chosen)
            methods.emplace_back(name);
    };
    add(options.basic_stats, "basic_stats");
    add(options.spectral, "spectral");
    add(options.quantization, "quantization");
    add(options.sparsity, "sparsity");
    add(options.spectral && options.heavy_tail, "heavy_tail");
    f("methods", methods);
    if constexpr (!std::is_const_v<R>) {
        const auto chosen = [&](const char* name) { return std::find(methods.begin(), methods.end(), name) != methods.end(); };
        options.basic_stats = chosen("basic_stats");
        options.spectral = chosen("spectral");
        options.quantization = chosen("quantization");
        options.sparsity = chosen("sparsity");
        options.heavy_tail = chosen("heavy_tail");
    }
}

inline std::string_view name_of(matrix_orientation orientation)
{
    return orientation == matrix_orientation::detect   ? "detect"
           : orientation == matrix_orientation::out_in ? "out_in"
                                                       : "in_out";
}

template <class F, fields_of<matrix_orientation> R>
void orientation_field(F& f, R& orientation)
{
    std::string name(name_of(orientation));
    f("orientation", name);
    if constexpr (!std::is_const_v<R>)
        orientation = name == "in_out"   ? matrix_orientation::in_out
                      : name == "out_in" ? matrix_orientation::out_in
                                         : matrix_orientation::detect;
}

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
        f(fmt::format("p{}", p.percent), p.value);
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

/// All but the name, which is the key of a layer in JSON and the first column in CSV. Texts that are empty are left out, and so is the
/// census where the basic statistics hold it.
template <detail::fields_of<layer_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("shape", r.shape);
    f("dtype", r.dtype);
    f("parameters", r.parameters);
    f("transposed", r.transposed);
    detail::where_held(f, "tied_to", r.tied_to);
    detail::where_held(f, "duplicate_of", r.duplicate_of);
    detail::where_held(f, "file", r.file);
    detail::where_held(f, "skipped", r.skipped);
    detail::where_held(f, "error", r.error);
    if (!r.basic_stats)
        detail::where_held(f, "census", r.census);
    detail::where_held(f, "basic_stats", r.basic_stats);
    detail::where_held(f, "spectral", r.spectral);
    detail::where_held(f, "tap_spectra", r.tap_spectra);
    detail::where_held(f, "convolution_norm", r.convolution_norm);
    detail::where_held(f, "quantization", r.quantization);
    detail::where_held(f, "bit_flips", r.bit_flips);
    detail::where_held(f, "sparsity", r.sparsity);
}

template <detail::fields_of<scanned_model> R, class F>
void for_each_field(R& r, F&& f)
{
    f("path", r.path);
    f("format", r.format);
    f("architecture", r.architecture);
    f("tensors", r.tensors);
    f("parameters", r.parameters);
    f("bytes", r.bytes);
    detail::where_held(f, "lost_shards", r.lost_shards);
}

template <detail::fields_of<scan_options> R, class F>
void for_each_field(R& r, F&& f)
{
    detail::methods_field(f, r);
    f("bits", r.bits);
    f("group_size", r.group_size);
    f("include", r.include);
    f("exclude", r.exclude);
    f("restrict", r.restrict_to);
    f("threads", r.threads);
    detail::orientation_field(f, r.orientation);
    f("shuffles", r.shuffles);
    f("seed", r.seed);
    f("tap_spectra", r.tap_spectra);
    f("convolution_input", r.convolution_input);
}

template <detail::fields_of<scan_environment> R, class F>
void for_each_field(R& r, F&& f)
{
    f("cpu", r.cpu);
    f("instructions", r.instructions);
    f("threads", r.threads);
    f("blas", r.blas);
    f("compiler", r.compiler);
    f("cuda", metric::missing("not used"));
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
