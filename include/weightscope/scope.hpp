#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/weight_source.hpp>
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

// One tensor of the work list.
struct scan_item
{
    const named_tensor* tensor = nullptr;
    layer_result* layer = nullptr;
    double cost = 0;  // seconds of one thread, roughly; only the ratios matter
};

// Rates measured on two cores of a server of 2021: element passes 4 ns a weight, dsyrk 20 Gflop/s, dsytrd 5 Gflop/s.
inline double expected_cost(const named_tensor& tensor, const scan_options& options)
{
    const auto count = static_cast<double>(tensor.size());
    double seconds = 1e-5 + 4e-9 * count;
    if (options.spectral && tensor.shape.size() >= 2 && count > 0) {
        const auto rows = static_cast<double>(tensor.shape[0]), cols = count / rows, n = std::min(rows, cols);
        seconds += count * n / 20e9 + 4.0 / 3 * n * n * n / 5e9;
    }
    return seconds;
}

template <class T>
void transpose(const matrix_source& matrix, void* out)
{
    constexpr std::size_t tile = 32;  // 32 x 32 floats are 4 KiB: both sides stay in the first-level cache
    const T* from = static_cast<const T*>(matrix.elements.data);
    T* to = static_cast<T*>(out);
    for (std::size_t i0 = 0; i0 < matrix.rows; i0 += tile)
        for (std::size_t j0 = 0; j0 < matrix.cols; j0 += tile)
            for (std::size_t i = i0; i < std::min(i0 + tile, matrix.rows); ++i)
                for (std::size_t j = j0; j < std::min(j0 + tile, matrix.cols); ++j)
                    to[j * matrix.rows + i] = from[i * matrix.cols + j];
}

// The transpose of a matrix of any element type; its elements lie in `storage`.
inline matrix_source transposed(const matrix_source& matrix, std::vector<std::uint64_t>& storage)
{
    storage.resize(matrix.elements.size * matrix.elements.element_bytes / sizeof(std::uint64_t) + 1);
    switch (matrix.elements.element_bytes) {
    case 1: transpose<std::uint8_t>(matrix, storage.data()); break;
    case 2: transpose<std::uint16_t>(matrix, storage.data()); break;
    case 4: transpose<std::uint32_t>(matrix, storage.data()); break;
    default: transpose<std::uint64_t>(matrix, storage.data()); break;
    }
    matrix_source result{matrix.elements, matrix.cols, matrix.rows};
    result.elements.data = storage.data();
    return result;
}

inline void analyze_layer(const weight_source& elements, layer_result& layer, const scan_options& options)
{
    const bool is_matrix = layer.shape.size() >= 2;
    matrix_source matrix = matrix_of(elements, is_matrix ? layer.shape[0] : 0);
    std::vector<std::uint64_t> storage;
    if (layer.transposed)
        matrix = transposed(matrix, storage);
    if (options.basic_stats || options.quantization || options.sparsity) {
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
        layer.basic_stats = std::move(result.basic_stats);
        layer.quantization = std::move(result.quantization);
        layer.sparsity = std::move(result.sparsity);
    }
    if (options.spectral && is_matrix)
        layer.spectral = spectral(matrix, {});
}

inline void scan_tensor(const scan_item& item, const scan_options& options)
{
    layer_result& layer = *item.layer;
    if (!is_numeric(item.tensor->dtype)) {
        layer.skipped = fmt::format("{} has no numeric meaning here: listed, not analysed", layer.dtype);
        return;
    }
    try {
        visit(*item.tensor, [&](const auto& weights) {
            with_source(weights, [&](const weight_source& elements) { analyze_layer(elements, layer, options); });
        });
    } catch (const std::exception& error) {
        layer.basic_stats.reset();
        layer.spectral.reset();
        layer.quantization.reset();
        layer.sparsity.reset();
        layer.error = error.what();
    }
}

// Works through the items, the most expensive first. Those with a large spectrum have all threads to themselves, inside the
// BLAS; the others share them out, one tensor a thread.
inline void scan_items(std::vector<scan_item> items, const scan_options& options, progress_reporter& progress)
{
    constexpr std::size_t large_spectrum = 1536;
    std::stable_sort(items.begin(), items.end(), [](const scan_item& a, const scan_item& b) { return a.cost > b.cost; });
    const auto alone = std::stable_partition(items.begin(), items.end(), [&](const scan_item& item) {
        const auto& shape = item.tensor->shape;
        return options.spectral && shape.size() >= 2 && std::min(shape[0], item.tensor->size() / std::max<std::size_t>(shape[0], 1)) >= large_spectrum;
    });
    const auto scan_one = [&](const scan_item& item) {
        progress.begun(item.layer->name);
        scan_tensor(item, options);
        progress.finished(item.layer->name, item.cost);
    };
    {
        const blas_threads many(concurrency());
        std::for_each(items.begin(), alone, scan_one);
    }
    const blas_threads one(1);
    const std::span<const scan_item> shared(alone, items.end());
    std::atomic<std::size_t> next = 0;
    parallel_for(concurrency(), [&](std::size_t) {
        for (std::size_t i = next++; i < shared.size(); i = next++)
            scan_one(shared[i]);
    });
}

inline scanned_model describe(const model& m)
{
    scanned_model result{.path = m.path.string(), .format = m.format, .architecture = m.architecture, .tensors = m.tensors.size()};
    for (const named_tensor& tensor : m.tensors)
        if (tensor.tied_to.empty()) {
            result.parameters += tensor.size();
            result.bytes += tensor.bytes.size();
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
    std::vector<detail::scan_item> items;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const named_tensor& tensor = tensors[i];
        layer_result& layer = result.layers[i];
        layer.name = tensor.name;
        layer.shape = tensor.shape;
        layer.dtype = to_string(tensor.dtype);
        layer.parameters = tensor.size();
        layer.tied_to = tensor.tied_to;
        layer.transposed = tensor.shape.size() == 2
                        && (options.orientation == matrix_orientation::in_out
                            || (options.orientation == matrix_orientation::detect && conv1d && detail::has_conv1d_name(tensor.name)));
        if (first[i] == i)
            items.push_back({&tensor, &layer, detail::expected_cost(tensor, options)});
        else if (layer.tied_to.empty())
            layer.duplicate_of = tensors[first[i]].name;
    }

    const double cost = std::accumulate(items.begin(), items.end(), 0.0, [](double sum, auto& item) { return sum + item.cost; });
    progress_reporter reporter(progress, items.size(), cost);
    with_threads(options.threads, [&] {
        result.environment = {.cpu = cpu_name(),
                              .instructions = std::string(instruction_path()),
                              .threads = concurrency(),
                              .blas = blas_name(),
                              .compiler = std::string(compiler_name())};
        detail::scan_items(std::move(items), options, reporter);
    });

    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (first[i] != i) {
            const layer_result& original = result.layers[first[i]];
            layer_result& layer = result.layers[i];
            layer.basic_stats = original.basic_stats;
            layer.spectral = original.spectral;
            layer.quantization = original.quantization;
            layer.sparsity = original.sparsity;
            layer.skipped = original.skipped;
            layer.error = original.error;
        }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope
