#pragma once

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

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/expected_seconds.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/schedule.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

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

inline void analyze_layer(const weight_source& elements, layer_result& layer, const scan_options& options)
{
    const bool is_matrix = layer.shape.size() >= 2;
    matrix_source matrix = matrix_of(elements, is_matrix ? layer.shape[0] : 0);
    std::vector<std::uint64_t> storage;
    if (layer.transposed)
        matrix = transposed(matrix, storage);
    elements_options wanted;
    wanted.quantization->bits = options.bits;
    wanted.quantization->group_size = options.group_size;
    if (!options.basic_stats)
        wanted.basic_stats.reset();
    if (!options.quantization)
        wanted.quantization.reset();
    if (!options.sparsity)
        wanted.sparsity.reset();
    elements_result result = analyze_elements(matrix.elements, is_matrix ? std::optional(matrix.rows) : std::nullopt, wanted);
    layer.census = result.census;
    layer.basic_stats = std::move(result.basic_stats);
    layer.quantization = std::move(result.quantization);
    layer.sparsity = std::move(result.sparsity);
    if (!options.spectral || !is_matrix)
        return;
    spectral_options spectra;
    if (options.heavy_tail) {
        spectra.heavy_tail.emplace();
        spectra.marchenko_pastur = {.shuffles = options.shuffles, .seed = options.seed};
    }
    layer.spectral = spectral(matrix, spectra);
    if (layer.shape.size() >= 3 && layer.census->finite_count() == layer.census->count)
        analyze_convolution(elements, layer, options);
}

inline void scan_tensor(const named_tensor& tensor, layer_result& layer, const scan_options& options)
{
    if (!tensor.part_of.empty()) {
        layer.skipped = fmt::format("holds codes or scales of '{}', which is analysed", printable(tensor.part_of));
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
    constexpr std::size_t large_spectrum = 1200;  // where tridiagonalize begins to use threads
    constexpr double long_gram = 0.3;             // seconds; a tall matrix of which another thread would have to wait for the end
    const std::size_t n = std::min(tensor.shape[0], tensor.size() / tensor.shape[0]);
    return n >= large_spectrum || expected_gram_seconds(n, tensor.size() / n) >= long_gram;
}

inline scanned_model describe(const model& m)
{
    scanned_model result{.path = m.path.string(), .format = m.format, .architecture = m.architecture, .tensors = m.tensors.size()};
    for (const named_tensor& tensor : m.tensors)
        if (tensor.tied_to.empty() && tensor.part_of.empty()) {
            result.parameters += tensor.size();
            result.bytes += tensor.stored_bytes();
        }
    return result;
}

}  // namespace detail

/// Analyses every tensor of a model, in parallel, and returns the figures in model order.
///
///     const scan_result result = scan(open_model("model.safetensors"));
///     const health_result health = judge(result);
///
/// @param m         see open_model
/// @param options   which tensors and which analyses; see scan_options
/// @param progress  called when a tensor begins and when it is done; may cancel
/// @return          see scan_result; one tensor that cannot be analysed has an `error` and does not lose the others
/// @throws std::invalid_argument  an option is out of range, or the patterns leave no tensor
/// @throws cancelled              the callback returned false
/// @note   equal tensors are analysed once. Memory beyond the mapped file: n² doubles for the largest spectrum at work, a copy of a
///         tensor that has to be turned. Element figures have the same bits for any number of threads; spectra agree within their
///         intervals.
[[nodiscard]] inline scan_result scan(const model& m, const scan_options& options = {}, const progress_callback& progress = {})
{
    require(options.bits >= 2 && options.bits <= 16, "scan(model, options): options.bits is {}, expected 2 to 16", options.bits);
    require(options.group_size > 0, "scan(model, options): options.group_size is 0, expected 1 or more");
    const auto start = std::chrono::steady_clock::now();
    const std::vector<named_tensor> tensors = detail::chosen_tensors(m, options);
    const std::vector<std::size_t> first = find_duplicates(tensors);
    const bool conv1d = keeps_conv1d_transposed(m);

    scan_result result{.model = detail::describe(m), .settings = options};
    result.layers.resize(tensors.size());
    std::vector<std::size_t> items;  // tensors that are analysed themselves
    std::vector<detail::scheduled_work> work;
    double cost = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const named_tensor& tensor = tensors[i];
        layer_result& layer = result.layers[i];
        layer.name = tensor.name;
        layer.shape = tensor.shape;
        layer.dtype = tensor.storage();
        layer.parameters = tensor.size();
        layer.tied_to = tensor.tied_to;
        layer.transposed = tensor.shape.size() == 2
                        && (options.orientation == matrix_orientation::in_out
                            || (options.orientation == matrix_orientation::detect && conv1d && detail::has_conv1d_name(tensor.name)));
        if (first[i] == i) {
            items.push_back(i);
            work.push_back({detail::expected_cost(tensor, options), detail::runs_alone(tensor, options)});
            cost += work.back().cost;
        } else if (layer.tied_to.empty())
            layer.duplicate_of = tensors[first[i]].name;
    }

    progress_reporter reporter(progress, items.size(), cost);
    with_threads(options.threads, [&] {
        result.environment = {.cpu = cpu_name(),
                              .instructions = std::string(instruction_path()),
                              .threads = concurrency(),
                              .blas = blas_name(),
                              .compiler = std::string(compiler_name())};
        detail::run_by_cost(work, [&](std::size_t k) {
            layer_result& layer = result.layers[items[k]];
            reporter.begun(layer.name);
            detail::scan_tensor(tensors[items[k]], layer, options);
            reporter.finished(layer.name, work[k].cost);
        });
    });

    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (first[i] != i)
            result.layers[i].take_figures(result.layers[first[i]]);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope
