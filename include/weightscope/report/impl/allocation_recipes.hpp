#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/allocation_csv.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_recipe_llama.hpp>
#include <weightscope/report/allocation_recipe_onnx.hpp>
#include <weightscope/report/allocation_recipes.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

namespace detail {

inline std::string recipe_module_name(std::string name)
{
    if (name.ends_with(".weight"))
        name.resize(name.size() - 7);
    return name;
}

inline std::string recipe_regex(std::string_view text)
{
    std::string result;
    for (const char c : text) {
        if (std::string_view(".^$|()[]{}*+?\\").find(c) != std::string_view::npos)
            result += '\\';
        result += c;
    }
    return result;
}

// The arguments of a weight scheme of compressed-tensors; a reason where it has none.
struct compressed_scheme
{
    nlohmann::ordered_json arguments = {};
    std::uint64_t bytes = 0;
    std::string problem = {}, fallback = {};
};

inline compressed_scheme compressed_scheme_of(const study_layer& layer, const scheme& s)
{
    compressed_scheme result;
    if (!s.plain() || s.bits > 8 || layer.shape.size() != 2 || layer.name.find('[') != std::string::npos) {
        result.problem = "only integers of 2 to 8 bits on matrices";
        return result;
    }
    const std::size_t rows = layer.shape[layer.transposed ? 1 : 0], cols = layer.shape[layer.transposed ? 0 : 1];
    scale_granularity granularity = s.granularity;
    if (granularity == scale_granularity::per_group && cols % s.group_size != 0) {
        result.fallback = fmt::format("{} columns are no multiple of {}: per channel", cols, s.group_size);
        granularity = scale_granularity::per_channel;
    }
    if (granularity == scale_granularity::per_block) {
        result.problem = "blocks are for FP8 only";
        return result;
    }
    std::size_t groups = 1;
    result.arguments = {{"num_bits", s.bits}, {"type", "int"}, {"symmetric", s.symmetric}};
    if (granularity == scale_granularity::per_group) {
        result.arguments["strategy"] = "group";
        result.arguments["group_size"] = s.group_size;
        groups = rows * (cols / s.group_size);
    } else {
        result.arguments["strategy"] = granularity == scale_granularity::per_channel ? "channel" : "tensor";
        groups = granularity == scale_granularity::per_channel ? rows : 1;
    }
    result.arguments["dynamic"] = false;
    const std::size_t per_word = 32 / static_cast<std::size_t>(s.bits);
    result.bytes = 4 * rows * divide_up(cols, per_word) + 2 * groups + 16;  // words, scales of 16 bits, the shape in two int64
    if (!s.symmetric)
        result.bytes += 4 * divide_up(rows, per_word) * divide_up(groups, rows);
    return result;
}

// Groups of layers with the same arguments, and the layers that stay.
struct compressed_groups
{
    std::map<std::string, std::pair<nlohmann::ordered_json, std::vector<std::string>>> groups = {};
    std::vector<std::string> ignore = {};
};

inline compressed_groups compressed_groups_of(const allocation_plan& plan, quantization_recipe& recipe)
{
    compressed_groups result;
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        const layer_pick& pick = plan.study.variants[plan.variant].picks[i];
        if (!layer.tied_to.empty())
            continue;
        if (pick.scheme == kept_as_stored) {
            recipe.bytes += layer.bytes;
            if (layer.shape.size() == 2)
                result.ignore.push_back(recipe_module_name(layer.name));
            continue;
        }
        compressed_scheme made = compressed_scheme_of(layer, plan.study.schemes[pick.scheme]);
        require(made.problem.empty(), "to_recipe(plan, format): compressed-tensors has no form for {} in {}: {}; choose other candidates", printable(layer.name),
                plan_format_name(plan, pick.scheme), made.problem);
        if (!made.fallback.empty())
            recipe.notes.push_back(fmt::format("{}: {}", printable(layer.name), made.fallback));
        if (plan.study.schemes[pick.scheme].full_range)
            recipe.notes.push_back(fmt::format("{}: the lowest code is used too, by the convention of compressed-tensors", printable(layer.name)));
        recipe.bytes += made.bytes;
        auto& group = result.groups[made.arguments.dump()];
        group.first = made.arguments;
        group.second.push_back("re:^" + recipe_regex(recipe_module_name(layer.name)) + "$");
    }
    return result;
}

inline quantization_recipe compressed_recipe(const allocation_plan& plan, bool yaml)
{
    using nlohmann::ordered_json;
    quantization_recipe recipe;
    const compressed_groups made = compressed_groups_of(plan, recipe);
    ordered_json groups = ordered_json::object();
    for (const auto& [key, group] : made.groups)
        groups[fmt::format("group_{}", groups.size())] = {{"targets", group.second}, {"weights", group.first}, {"input_activations", nullptr}};
    if (!yaml) {
        const ordered_json config = {{"quant_method", "compressed-tensors"},
                                     {"format", "pack-quantized"},
                                     {"quantization_status", "initialized"},
                                     {"config_groups", std::move(groups)},
                                     {"ignore", made.ignore}};
        recipe.text = config.dump(2) + "\n";
        return recipe;
    }
    recipe.text = fmt::format("# about {} bytes of tensors\n", recipe.bytes);
    for (const std::string& note : recipe.notes)
        recipe.text += fmt::format("# {}\n", note);
    recipe.text += "default_stage:\n  default_modifiers:\n    QuantizationModifier:\n";
    recipe.text += fmt::format("      ignore: {}\n      config_groups:\n", ordered_json(made.ignore).dump());
    for (const auto& [name, group] : groups.items())
        recipe.text += fmt::format("        {}:\n          targets: {}\n          weights: {}\n", name, group.at("targets").dump(), group.at("weights").dump());
    return recipe;
}

}  // namespace detail

WEIGHTSCOPE_INLINE quantization_recipe to_recipe(const allocation_plan& plan, recipe_format format, const weight_nodes& nodes)
{
    switch (format) {
    case recipe_format::llama_quantize: return detail::llama_recipe(plan);
    case recipe_format::compressed_tensors: return detail::compressed_recipe(plan, false);
    case recipe_format::llm_compressor: return detail::compressed_recipe(plan, true);
    case recipe_format::onnxruntime: return detail::onnx_recipe(plan, nodes);
    case recipe_format::json: return {.text = to_json(plan).dump(2) + "\n", .bytes = plan.file_bytes};
    case recipe_format::csv: break;
    }
    return {.text = to_csv(plan), .bytes = plan.file_bytes};
}

}  // namespace weightscope
