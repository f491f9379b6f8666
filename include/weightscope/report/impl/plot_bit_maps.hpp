#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_figures.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/plot_bit_maps.hpp>
#include <weightscope/report/plot_scores.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<chart> plot_bit_maps(const bit_map_study_result& study)
{
    std::map<std::string, std::vector<const tensor_bit_map*>> by_storage;
    for (const tensor_bit_map& tensor : study.tensors)
        if (detail::has_bit_map(tensor) && !tensor.map.positions.empty())
            by_storage[tensor.dtype].push_back(&tensor);
    std::vector<std::string> storages;
    for (const auto& entry : by_storage)
        storages.push_back(entry.first);
    const std::vector<std::string> file_names = chart_file_names(storages);
    std::vector<chart> charts;
    for (std::size_t s = 0; s < storages.size(); ++s) {
        const auto& tensors = by_storage.at(storages[s]);
        bit_map_chart worst{.title = fmt::format("Single flipped bits of {}", storages[s]), .value = "largest change / max|w|"};
        worst.below = "of weights that stay finite; tensors in model order";
        bit_map_chart failing{.title = fmt::format("Flips of {} that fail", storages[s]), .value = "share of flips", .logarithmic = false};
        failing.below = "they end at NaN or infinity, or change a weight by more than the largest one of its tensor";
        for (const tensor_bit_map* tensor : tensors)
            worst.layers.push_back(tensor->name);
        failing.layers = worst.layers;
        const auto& positions = tensors.front()->map.positions;
        for (std::size_t p = positions.size(); p-- > 0;) {
            worst.bits.push_back(fmt::format("{} {}", detail::bit_name(positions[p]), to_string(positions[p].kind)));
            for (const tensor_bit_map* tensor : tensors) {
                worst.values.push_back(detail::bit_excess(*tensor, tensor->map.positions[p]));
                failing.values.push_back(detail::bit_failing_share(tensor->map.positions[p]));
            }
        }
        failing.bits = worst.bits;
        charts.push_back(plot_bit_map(worst));
        charts.back().name = "bit_map_" + file_names[s];
        charts.push_back(plot_bit_map(failing));
        charts.back().name = "bit_map_" + file_names[s] + "_failing";
    }
    return charts;
}

}  // namespace weightscope
