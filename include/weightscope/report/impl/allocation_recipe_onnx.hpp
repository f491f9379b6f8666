#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/allocation_recipe_llama.hpp>
#include <weightscope/report/allocation_recipe_onnx.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE quantization_recipe onnx_recipe(const allocation_plan& plan, const weight_nodes& nodes)
{
    using nlohmann::ordered_json;
    quantization_recipe recipe;
    ordered_json formats = ordered_json::object(), exclude = ordered_json::array();
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        const layer_pick& pick = plan.study.variants[plan.variant].picks[i];
        const auto found = nodes.find(layer.name);
        const std::size_t rows = layer.shape.size() < 2 ? 1 : layer.shape[layer.transposed ? 1 : 0];
        const std::size_t cols = rows > 0 ? layer.parameters / rows : 0;
        if (pick.scheme == kept_as_stored) {
            recipe.bytes += layer.tied_to.empty() ? layer.bytes : 0;
            for (const std::string& node : found == nodes.end() || layer.shape.size() < 2 ? std::vector<std::string>() : found->second)
                exclude.push_back(node);
            continue;
        }
        const scheme& s = plan.study.schemes[pick.scheme];
        const bool blocks = s.granularity == scale_granularity::per_group;
        const bool power = blocks && layer.shape.size() == 2 && s.plain() && s.group_size >= 16 && (s.group_size & (s.group_size - 1)) == 0;
        const bool plain_int8 = s.plain() && s.bits == 8 && !blocks && s.granularity != scale_granularity::per_block;
        require(plain_int8 || (power && (s.bits == 2 || s.bits == 4 || s.bits == 8)),
                "to_recipe(plan, format): ONNX Runtime has no form for {} in {}: only INT8 per tensor and per channel, and for matrices 2, 4 or "
                "8 bits in groups of 16, 32, 64...; choose other candidates", printable(layer.name), plan_format_name(plan, pick.scheme));
        if (blocks && cols % s.group_size != 0)
            recipe.notes.push_back(fmt::format("{}: {} columns are no multiple of {}: the last block of each row is filled up", printable(layer.name), cols, s.group_size));
        if (found == nodes.end())
            recipe.notes.push_back(fmt::format("{}: no named node of the graph takes it; its own name stands in the list", printable(layer.name)));
        const std::uint64_t codes = blocks ? rows * detail::divide_up(cols, s.group_size) * (s.group_size * static_cast<std::size_t>(s.bits) / 8) : layer.parameters;
        const std::uint64_t groups = blocks ? rows * detail::divide_up(cols, s.group_size) : s.granularity == scale_granularity::per_channel ? rows : 1;
        if (layer.tied_to.empty())
            recipe.bytes += codes + groups * 4 + (plain_int8 ? groups : s.symmetric ? 0 : divide_up(groups * static_cast<std::size_t>(s.bits), 8));
        ordered_json& list = formats[plan_format_name(plan, pick.scheme)];
        if (list.is_null())
            list = {{"quantizer", plain_int8 ? "quantize_static or quantize_dynamic" : "MatMulNBitsQuantizer"},
                    {"bits", s.bits},
                    {"block_size", blocks ? ordered_json(s.group_size) : ordered_json(nullptr)},
                    {"per_channel", s.granularity == scale_granularity::per_channel},
                    {"symmetric", s.symmetric},
                    {plain_int8 ? "nodes_to_quantize" : "nodes_to_include", ordered_json::array()}};
        ordered_json& names = list[plain_int8 ? "nodes_to_quantize" : "nodes_to_include"];
        for (const std::string& node : found == nodes.end() ? std::vector<std::string>{layer.name} : found->second)
            names.push_back(node);
    }
    recipe.text = ordered_json{{"formats", std::move(formats)}, {"nodes_to_exclude", std::move(exclude)}, {"weight_bytes", recipe.bytes}, {"notes", recipe.notes}}.dump(2) + "\n";
    return recipe;
}

}  // namespace weightscope::detail
