#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/apply_config.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope {

namespace detail {

// Names and shapes of the smaller model, without bytes.
inline model shapes_of(const grouped_model& groups, std::span<const group_place> removed)
{
    model result;
    for (const sliced_tensor& sliced : slice_shapes(groups, removed))
        result.tensors.push_back({.name = sliced.name, .shape = sliced.shape, .dtype = groups.tensors[sliced.source].dtype});
    return result;
}

// How wide each layer of the smaller model is, from its shapes.
inline std::vector<layer_widths> widths_of(const grouped_model& groups, std::span<const group_place> removed, std::size_t head_size)
{
    const model shapes = shapes_of(groups, removed);
    std::vector<layer_widths> result;
    for (const block_tensors& block : find_blocks(shapes)) {
        const auto extent = [&](const block_linear& linear, std::size_t axis) {
            return linear.exists() && axis < shapes.tensors[linear.weight].shape.size() ? shapes.tensors[linear.weight].shape[axis] : std::size_t{0};
        };
        layer_widths& w = result.emplace_back();
        const block_linear out = block.at(block_part::attention_output), down = block.at(block_part::down);
        if (out.exists() && head_size > 0) {
            const std::size_t query_rows = extent(out, out.in_axis());
            const block_linear fused = block.at(block_part::query_key_value), key = block.at(block_part::key);
            w.head_count = query_rows / head_size;
            w.kv_head_count = (fused.exists() ? (extent(fused, fused.out_axis()) - query_rows) / 2 : extent(key, key.out_axis())) / head_size;
        }
        w.feed_forward_size = down.exists() ? extent(down, down.in_axis()) : 0;
        for (const auto& [part, tensor] : block.stacks)  // [experts, out, in]
            if (part == block_part::down) {
                w.expert_count = shapes.tensors[tensor].shape[0];
                w.feed_forward_size = shapes.tensors[tensor].shape.back();
            }
        if (!block.experts.empty()) {
            w.expert_count = block.experts.size();
            for (const auto& [part, tensor] : block.experts.begin()->second)
                w.feed_forward_size = part == block_part::down ? shapes.tensors[tensor].shape.back() : w.feed_forward_size;
        }
    }
    result.resize(groups.layer_count - removed_layers(groups, removed).size());  // layers of which nothing is left have no names either
    return result;
}

inline bool all_equal(const std::vector<layer_widths>& widths)
{
    return std::all_of(widths.begin(), widths.end(), [&](const layer_widths& w) { return w == widths.front(); });
}

}  // namespace detail

WEIGHTSCOPE_INLINE transformer_config slice_config(transformer_config config, const grouped_model& groups, std::span<const group_place> removed)
{
    config.layers = detail::widths_of(groups, removed, config.head_size);
    config.layer_count = config.layers.size();
    const layer_widths& first = config.layers.front();
    if (detail::all_equal(config.layers) && first.head_count > 0 && first.feed_forward_size > 0) {
        config.head_count = first.head_count;
        config.kv_head_count = first.kv_head_count;
        config.feed_forward_size = first.feed_forward_size;
        config.expert_count = first.expert_count;
        config.layers.clear();
    }
    return config;
}

WEIGHTSCOPE_INLINE sliced_config_file slice_config_file(nlohmann::ordered_json& fields, const grouped_model& groups,
                                                        std::span<const group_place> removed)
{
    sliced_config_file result;
    const std::vector<layer_widths> widths = detail::widths_of(groups, removed, groups.head_size);
    const bool gpt2 = fields.contains("n_head"), uniform = !widths.empty() && detail::all_equal(widths);
    fields.erase(detail::layer_widths_key);
    fields[gpt2 ? "n_layer" : "num_hidden_layers"] = widths.size();
    const auto number = [&](const char* name) { return fields.contains(name) && fields[name].is_number_unsigned() ? fields[name].get<std::size_t>() : 0; };
    const layer_widths first = widths.empty() ? layer_widths{} : widths.front();
    const bool heads_fit = !gpt2 || first.head_count == number("n_head");
    const bool mixture = std::any_of(widths.begin(), widths.end(), [](const layer_widths& w) { return w.expert_count > 0; });
    const bool parts_left = (first.head_count > 0 || (mixture && groups.head_size == 0)) && first.feed_forward_size > 0;
    const char* experts_word = nullptr;
    for (const char* word : {"num_local_experts", "num_experts", "n_routed_experts"})
        if (fields.contains(word))
            experts_word = word;
    const bool experts_fit = !mixture || experts_word;
    if (uniform && parts_left && heads_fit && experts_fit) {
        if (mixture)
            fields[experts_word] = first.expert_count;
        if (gpt2) {
            if (first.feed_forward_size != 4 * number("n_embd") || number("n_inner") > 0)
                fields["n_inner"] = first.feed_forward_size;
        } else if (first.head_count > 0) {
            if (groups.head_size * number("num_attention_heads") != number("hidden_size") || first.head_count != number("num_attention_heads"))
                fields["head_dim"] = groups.head_size;
            fields["num_attention_heads"] = first.head_count;
            if (first.head_count != first.kv_head_count || fields.contains("num_key_value_heads"))
                fields["num_key_value_heads"] = first.kv_head_count;
            if (!mixture)
                fields["intermediate_size"] = first.feed_forward_size;
        }
        return result;
    }
    result.plain = false;
    const bool only_experts = std::all_of(widths.begin(), widths.end(), [&](layer_widths w) {
        w.expert_count = first.expert_count;
        return w == first;
    });
    result.reason = !experts_fit                ? "its configuration does not say how many experts it has"
                    : !uniform && only_experts ? "its layers differ in their number of experts"
                    : !uniform                 ? "its layers differ in width"
                    : !parts_left              ? "all its layers lack a part"
                                               : "a head of GPT-2 is as wide as the stream divided by the number of heads";
    if (!gpt2 && groups.head_size > 0)
        fields["head_dim"] = groups.head_size;
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const layer_widths& w : widths) {
        nlohmann::ordered_json layer = {{"num_attention_heads", w.head_count},
                                        {"num_key_value_heads", w.kv_head_count},
                                        {"intermediate_size", w.feed_forward_size}};
        if (w.expert_count > 0)
            layer["num_local_experts"] = w.expert_count;
        list.push_back(std::move(layer));
    }
    fields[detail::layer_widths_key] = std::move(list);
    return result;
}

}  // namespace weightscope
