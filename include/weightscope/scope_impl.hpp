#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/scope.hpp>
#include <weightscope/study/described_model.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE scan_result scan(const model& m, const scan_options& options, const progress_callback& progress)
{
    require(options.bits >= 2 && options.bits <= 16, "scan(model, options): options.bits is {}, expected 2 to 16", options.bits);
    require(options.group_size > 0, "scan(model, options): options.group_size is 0, expected 1 or more");
    const auto start = std::chrono::steady_clock::now();
    const std::vector<named_tensor> tensors = detail::chosen_tensors(m, options);
    const std::vector<std::size_t> first = find_duplicates(tensors);
    const bool conv1d = keeps_conv1d_transposed(m);

    scan_result result{.model = detail::describe(m), .settings = options};
    result.layers.resize(tensors.size());
    detail::work_list work;  // the tensors that are analysed themselves
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const named_tensor& tensor = tensors[i];
        layer_result& layer = result.layers[i];
        layer.name = tensor.name;
        layer.shape = tensor.shape;
        layer.dtype = tensor.storage();
        layer.parameters = tensor.size();
        layer.tied_to = tensor.tied_to;
        layer.file = tensor.file && tensor.file->path() != m.path ? tensor.file->path().string() : "";
        layer.transposed = tensor.shape.size() == 2
                        && (options.orientation == matrix_orientation::in_out
                            || (options.orientation == matrix_orientation::detect
                                && (tensor.transposed || (conv1d && detail::has_conv1d_name(tensor.name)))));
        if (first[i] == i)
            work.add(i, layer.name, {detail::expected_cost(tensor, options), detail::runs_alone(tensor, options)});
        else if (layer.tied_to.empty())
            layer.duplicate_of = tensors[first[i]].name;
    }

    with_threads(options.threads, [&] {
        result.environment = current_environment();
        work.run(progress, [&](std::size_t i) { detail::scan_tensor(tensors[i], result.layers[i], options); });
    });

    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (first[i] != i)
            result.layers[i].take_figures(result.layers[first[i]]);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope
