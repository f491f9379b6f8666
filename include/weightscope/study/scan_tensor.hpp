#pragma once
// How a scan begins and ends, what it does to one tensor, and what that will cost.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/expected_seconds.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/study/described_model.hpp>

namespace weightscope::detail {

// The tensors that the options choose, stacks of experts taken apart.
inline std::vector<named_tensor> chosen_tensors(const model& m, const scan_options& options)
{
    const name_filter filter({.include = options.include, .exclude = options.exclude, .restrict_to = options.restrict_to});
    std::vector<named_tensor> chosen;
    for (const named_tensor& tensor : m.tensors) {
        if (!filter.takes(tensor.name))
            continue;
        for (named_tensor& part : unstack_experts(tensor))
            chosen.push_back(std::move(part));
    }
    if (chosen.empty() && !m.tensors.empty()) {
        std::string names;
        for (const named_tensor& tensor : std::span(m.tensors).first(std::min<std::size_t>(m.tensors.size(), 3)))
            names += (names.empty() ? "" : ", ") + printable(tensor.name);
        throw std::invalid_argument(fmt::format("weightscope::scan(model, options): include, exclude and restrict leave none of the {} tensors ({}{})",
                                                m.tensors.size(), names, m.tensors.size() > 3 ? ", ..." : ""));
    }
    return chosen;
}

struct begun_scan
{
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    std::vector<named_tensor> tensors = {};
    std::vector<std::size_t> first = {};  // index of the first tensor with the same weights; those that are the first are analysed
    scan_result result = {};              // with what the headers tell of each tensor
};

inline begun_scan begin_scan(const model& m, const scan_options& options)
{
    require(options.bits >= 2 && options.bits <= 16, "scan(model, options): options.bits is {}, expected 2 to 16", options.bits);
    require(options.group_size > 0, "scan(model, options): options.group_size is 0, expected 1 or more");
    begun_scan scan{.tensors = chosen_tensors(m, options)};
    scan.first = find_duplicates(scan.tensors);
    scan.result = {.model = describe(m), .settings = options};
    const bool conv1d = keeps_conv1d_transposed(m);
    for (std::size_t i = 0; i < scan.tensors.size(); ++i) {
        const named_tensor& tensor = scan.tensors[i];
        layer_result& layer = scan.result.layers.emplace_back();
        layer.name = tensor.name;
        layer.shape = tensor.shape;
        layer.dtype = tensor.storage();
        layer.parameters = tensor.size();
        layer.tied_to = tensor.tied_to;
        layer.file = tensor.file && tensor.file->path() != m.path ? tensor.file->path().string() : "";
        layer.transposed = tensor.shape.size() == 2
                        && (options.orientation == matrix_orientation::in_out
                            || (options.orientation == matrix_orientation::detect
                                && (tensor.transposed || (conv1d && has_conv1d_name(tensor.name)))));
        if (scan.first[i] != i && layer.tied_to.empty())
            layer.duplicate_of = scan.tensors[scan.first[i]].name;
    }
    return scan;
}

inline scan_result finish_scan(begun_scan scan)
{
    for (std::size_t i = 0; i < scan.tensors.size(); ++i)
        if (scan.first[i] != i)
            scan.result.layers[i].take_figures(scan.result.layers[scan.first[i]]);
    scan.result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - scan.start).count();
    return std::move(scan.result);
}

// Seconds of one thread.
inline double expected_cost(const named_tensor& tensor, const scan_options& options)
{
    const std::size_t count = tensor.size(), rank = tensor.shape.size();
    double seconds = 1e-5 + expected_element_seconds(count, bits_of(tensor.dtype) / 8);
    if (!options.spectral || rank < 2 || count == 0)
        return seconds;
    const std::size_t rows = tensor.shape[0], in = tensor.shape[1];
    seconds += expected_spectrum_seconds(rows, count / rows);
    if (options.heavy_tail)
        seconds += static_cast<double>(options.shuffles) * expected_shuffle_seconds(rows, count / rows);
    if (rank >= 3 && options.tap_spectra)
        seconds += static_cast<double>(count / (rows * in)) * expected_spectrum_seconds(rows, in);
    if (rank >= 3 && options.convolution_input > 0)
        seconds += std::pow(static_cast<double>(options.convolution_input), static_cast<double>(rank - 2)) / 2
                 * expected_spectrum_seconds(2 * rows, 2 * in);
    return seconds;
}

// `elements` are finite.
inline void analyze_convolution(const weight_source& elements, layer_result& layer, const scan_options& options)
{
    if (!options.tap_spectra && options.convolution_input == 0)
        return;
    const convolution_weights weights = convolution_of(elements, layer.shape[0], layer.shape[1]);
    const double largest = max_magnitude(elements);
    if (options.tap_spectra)
        layer.tap_spectra = tap_spectra(weights, largest, {});
    if (options.convolution_input > 0)
        layer.convolution_norm =
            convolution_norm(weights, std::span(layer.shape).subspan(2), largest, {.input_size = options.convolution_input});
}

// The pass for flipped bits is taken where a weight stands so far apart that it may find some. Below 1,000 weights anything may.
inline bool may_have_bit_flips(const layer_result& layer)
{
    constexpr double least_range = 128;  // a weight 256 times all others is 204 times the mean of 1,000 or more
    return layer.parameters >= 1000 && layer.quantization && layer.quantization->dynamic_range.exists()
        && layer.quantization->dynamic_range.value >= least_range;
}

inline elements_options wanted_elements(const scan_options& options)
{
    elements_options wanted;
    wanted.quantization->bits = options.bits;
    wanted.quantization->group_size = options.group_size;
    if (!options.basic_stats)
        wanted.basic_stats.reset();
    if (!options.quantization)
        wanted.quantization.reset();
    if (!options.sparsity)
        wanted.sparsity.reset();
    return wanted;
}

inline spectral_options wanted_spectra(const scan_options& options)
{
    spectral_options wanted;
    if (options.heavy_tail) {
        wanted.heavy_tail.emplace();
        wanted.marchenko_pastur = {.shuffles = options.shuffles, .seed = options.seed};
    }
    return wanted;
}

inline void take_elements(elements_result result, layer_result& layer)
{
    layer.census = result.census;
    layer.basic_stats = std::move(result.basic_stats);
    layer.quantization = std::move(result.quantization);
    layer.sparsity = std::move(result.sparsity);
}

inline void search_bit_flips(const weight_source& elements, layer_result& layer)
{
    if (bit_flips_result flips = detect_bit_flips(elements, {}); flips.suspect_count > 0)
        layer.bit_flips = flips;
}

inline void analyze_layer(const weight_source& elements, layer_result& layer, const scan_options& options)
{
    const bool is_matrix = layer.shape.size() >= 2;
    matrix_source matrix = matrix_of(elements, is_matrix ? layer.shape[0] : 0);
    std::vector<std::uint64_t> storage;
    if (layer.transposed)
        matrix = transposed(matrix, storage);
    take_elements(analyze_elements(matrix.elements, is_matrix ? std::optional(matrix.rows) : std::nullopt, wanted_elements(options)), layer);
    if (may_have_bit_flips(layer))
        search_bit_flips(elements, layer);
    if (!options.spectral || !is_matrix)
        return;
    layer.spectral = spectral(matrix, wanted_spectra(options));
    if (layer.shape.size() >= 3 && layer.census->finite_count() == layer.census->count)
        analyze_convolution(elements, layer, options);
}

inline void scan_tensor(const named_tensor& tensor, layer_result& layer, const scan_options& options)
{
    if (!tensor.part_of.empty()) {
        layer.skipped = fmt::format("holds codes or scales of '{}', which is analysed", printable(tensor.part_of));
        if (tensor.dtype < dtype::int8)
            visit(tensor, [&](const auto& scales) {
                with_source(scales, [&](const weight_source& elements) { layer.census = survey_source(elements, {}).census; });
            });
        return;
    }
    if (!is_numeric(tensor.dtype)) {
        layer.skipped = fmt::format("{} has no numeric meaning here: listed, not analysed", layer.dtype);
        return;
    }
    try {
        visit(tensor, [&](const auto& weights) {
            with_source(weights, [&](const weight_source& elements) { analyze_layer(elements, layer, options); });
        });
    } catch (const std::exception& error) {
        layer.take_figures({});
        layer.error = error.what();
    }
}

// Whether a tensor has a spectrum whose computation keeps all threads busy, and whose Gram matrix one wants once in memory.
inline bool runs_alone(const named_tensor& tensor, const scan_options& options)
{
    if (!options.spectral || tensor.shape.size() < 2 || tensor.size() == 0)
        return false;
    constexpr std::size_t large_spectrum = 1200;  // smaller ones keep more cores busy one to each than all in one
    constexpr double long_gram = 0.3;             // seconds; a tall matrix of which another thread would have to wait for the end
    const std::size_t n = std::min(tensor.shape[0], tensor.size() / tensor.shape[0]);
    return n >= large_spectrum || expected_gram_seconds(n, tensor.size() / n) >= long_gram;
}

}  // namespace weightscope::detail
