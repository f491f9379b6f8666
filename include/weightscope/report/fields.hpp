#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/report/element_fields.hpp>
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
    if (r.cuda.empty())
        f("cuda", metric::missing("not used"));
    else
        f("cuda", r.cuda);
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
