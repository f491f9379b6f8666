#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_map.hpp>
#include <weightscope/evaluators/transformer_plan.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE transformer_planner::transformer_planner(const model& m, const transformer_config& config) : model_(m), gguf_(has_gguf_names(m))
{
    plan_.config = config;
    for (std::size_t i = 0; i < m.tensors.size(); ++i)
        places_.emplace(gguf_ ? hugging_face_name(m.tensors[i].name, m.architecture) : m.tensors[i].name, i);
}

WEIGHTSCOPE_INLINE transformer_plan transformer_planner::make()
{
    const bool llama = plan_.config.family == transformer_family::llama;
    llama ? plan_llama() : plan_gpt2();
    const transformer_config& c = plan_.config;
    plan_.head = {.weight = plan_.embedding, .in = c.width, .out = c.vocabulary_size};
    if (!c.tied_head)
        plan_.head.weight = need("lm_head.weight", {c.vocabulary_size, c.width});
    refuse_leftovers();
    return number_in_model_order();
}

WEIGHTSCOPE_INLINE std::string transformer_planner::layer_name(const std::string& stem, std::size_t layer) { return fmt::format("{}{}.", stem, layer); }

WEIGHTSCOPE_INLINE void transformer_planner::plan_llama()
{
    const transformer_config& c = plan_.config;
    const std::string stem = places_.contains("embed_tokens.weight") ? "" : "model.";
    plan_.embedding = need(stem + "embed_tokens.weight", {c.vocabulary_size, c.width});
    plan_.final_norm = {.gain = need(stem + "norm.weight", {c.width})};
    for (std::size_t i = 0; i < c.layer_count; ++i) {
        const std::string name = layer_name(stem + "layers.", i);
        layer_map& layer = add_layer(i);
        const std::size_t q = layer.query_columns(), kv = layer.kv_columns(), feed = layer.widths.feed_forward_size;
        if (q > 0) {
            layer.attention_norm = {.gain = need(name + "input_layernorm.weight", {c.width})};
            layer.query_key_value = {linear(name + "self_attn.q_proj", c.width, q, c.query_key_value_bias),
                                     linear(name + "self_attn.k_proj", c.width, kv, c.query_key_value_bias, q),
                                     linear(name + "self_attn.v_proj", c.width, kv, c.query_key_value_bias, q + kv)};
            layer.attention_output = linear(name + "self_attn.o_proj", q, c.width, c.attention_output_bias);
        }
        if (feed > 0 && layer.widths.expert_count > 0) {
            layer.feed_norm = {.gain = need(name + "post_attention_layernorm.weight", {c.width})};
            gguf_ ? plan_stacked_experts(layer, layer_name("blk.", i)) : plan_experts(layer, name + "block_sparse_moe.");
        } else if (feed > 0) {
            layer.feed_norm = {.gain = need(name + "post_attention_layernorm.weight", {c.width})};
            layer.feed_in = {linear(name + "mlp.gate_proj", c.width, feed, c.feed_forward_bias),
                             linear(name + "mlp.up_proj", c.width, feed, c.feed_forward_bias, feed)};
            layer.feed_out = linear(name + "mlp.down_proj", feed, c.width, c.feed_forward_bias);
        }
    }
}

WEIGHTSCOPE_INLINE void transformer_planner::plan_experts(layer_map& layer, const std::string& name)
{
    const std::size_t width = plan_.config.width, feed = layer.widths.feed_forward_size;
    layer.feed_parts = 0;  // their rows are not kept
    layer.router = linear(name + "gate", width, layer.widths.expert_count, false);
    for (std::size_t e = 0; e < layer.widths.expert_count; ++e) {
        const std::string own = fmt::format("{}experts.{}.", name, e);
        layer.experts.push_back({.gate = linear(own + "w1", width, feed, false), .up = linear(own + "w3", width, feed, false, feed),
                                 .down = linear(own + "w2", feed, width, false)});
    }
}

WEIGHTSCOPE_INLINE void transformer_planner::plan_stacked_experts(layer_map& layer, const std::string& name)
{
    const std::size_t width = plan_.config.width, feed = layer.widths.feed_forward_size, count = layer.widths.expert_count;
    layer.feed_parts = 0;
    layer.router = linear(name + "ffn_gate_inp", width, count, false);
    const auto stack = [&](const char* part, std::size_t in, std::size_t out, std::size_t out_column) {
        return linear_map{.weight = need(name + part, {count, out, in}), .in = in, .out = out, .out_column = out_column, .stack = count};
    };
    expert_map expert = {.gate = stack("ffn_gate_exps.weight", width, feed, 0), .up = stack("ffn_up_exps.weight", width, feed, feed),
                         .down = stack("ffn_down_exps.weight", feed, width, 0)};
    for (std::size_t e = 0; e < count; ++e) {
        expert.gate.place = expert.up.place = expert.down.place = e;
        layer.experts.push_back(expert);
    }
}

WEIGHTSCOPE_INLINE void transformer_planner::plan_gpt2()
{
    const transformer_config& c = plan_.config;
    const std::string stem = places_.contains("wte.weight") ? "" : "transformer.";
    plan_.embedding = need(stem + "wte.weight", {c.vocabulary_size, c.width});
    plan_.positions = need(stem + "wpe.weight", {c.max_positions, c.width});
    plan_.final_norm = norm(stem + "ln_f");
    for (std::size_t i = 0; i < c.layer_count; ++i) {
        const std::string name = layer_name(stem + "h.", i);
        layer_map& layer = add_layer(i);
        const std::size_t q = layer.query_columns(), feed = layer.widths.feed_forward_size;
        if (i == 0)
            in_out_ = !stored_out_in(stem);
        if (q > 0) {
            layer.attention_norm = norm(name + "ln_1");
            layer.query_key_value = {linear(name + "attn.c_attn", c.width, 3 * q, true)};
            layer.attention_output = linear(name + "attn.c_proj", q, c.width, true);
        }
        if (feed > 0) {
            layer.feed_norm = norm(name + "ln_2");
            layer.feed_in = {linear(name + "mlp.c_fc", c.width, feed, true)};
            layer.feed_out = linear(name + "mlp.c_proj", feed, c.width, true);
        }
    }
}

WEIGHTSCOPE_INLINE layer_map& transformer_planner::add_layer(std::size_t layer)
{
    const transformer_config& c = plan_.config;
    return plan_.layers.emplace_back(layer_map{.widths = c.widths(layer),
                                               .head_size = c.head_size,
                                               .feed_parts = c.family == transformer_family::llama ? std::size_t{2} : std::size_t{1}});
}

WEIGHTSCOPE_INLINE bool transformer_planner::stored_out_in(const std::string& stem) const
{
    const transformer_config& c = plan_.config;
    for (std::size_t i = 0; i < c.layer_count; ++i)
        for (const auto& [part, out] : {std::pair{"attn.c_attn.weight", 3 * c.widths(i).head_count * c.head_size},
                                        std::pair{"mlp.c_fc.weight", c.widths(i).feed_forward_size}}) {
            const auto at = places_.find(layer_name(stem + "h.", i) + part);
            if (at != places_.end() && out != c.width)
                return model_.tensors[at->second].shape == std::vector{out, c.width};
        }
    return false;
}

WEIGHTSCOPE_INLINE norm_map transformer_planner::norm(const std::string& name)
{
    const std::size_t width = plan_.config.width;
    return {.gain = need(name + ".weight", {width}), .shift = need(name + ".bias", {width})};
}

WEIGHTSCOPE_INLINE linear_map transformer_planner::linear(const std::string& name, std::size_t in, std::size_t out, bool bias, std::size_t out_column)
{
    linear_map result{.in = in, .out = out, .in_out = in_out_, .out_column = out_column};
    result.weight = need(name + ".weight", in_out_ ? std::vector{in, out} : std::vector{out, in});
    if (bias)
        result.bias = need(name + ".bias", {out});
    return result;
}

WEIGHTSCOPE_INLINE std::size_t transformer_planner::need(const std::string& name, const std::vector<std::size_t>& shape)
{
    const auto at = places_.find(name);
    if (at == places_.end())
        throw io_error(model_.path, std::nullopt,
                       fmt::format("tensor '{}'", printable(gguf_ ? gguf_name(name, model_.architecture) : name)),
                       fmt::format("is missing, expected one of shape {}; {}", shape,
                                   gguf_ ? "convert the model again" : "is the config.json that of this model?"));
    const named_tensor& tensor = model_.tensors[at->second];
    if (tensor.shape != shape)
        refuse(tensor, fmt::format("has shape {}, but the {} makes it {}", tensor.shape, gguf_ ? "file's metadata" : "config.json", shape));
    static constexpr dtype floats[] = {dtype::float64, dtype::float32, dtype::float16, dtype::bfloat16};
    if (std::find(std::begin(floats), std::end(floats), tensor.dtype) == std::end(floats))
        refuse(tensor, fmt::format("is {}, expected BF16, F16, F32 or F64; dequantize it first", tensor.storage()));
    return at->second;
}

WEIGHTSCOPE_INLINE void transformer_planner::refuse_leftovers() const
{
    static constexpr std::string_view harmless[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"};
    const std::map<std::size_t, std::size_t> used = used_places();
    for (std::size_t i = 0; i < model_.tensors.size(); ++i) {
        const named_tensor& tensor = model_.tensors[i];
        const bool known = std::any_of(std::begin(harmless), std::end(harmless),
                                       [&](std::string_view ending) { return tensor.name.ends_with(ending); });
        const bool is_read = known || (gguf_ && tensor.name == "rope_freqs.weight" && !plan_.config.rope_divisors.empty());
        if (!used.contains(i) && !is_read && !(plan_.config.tied_head && tensor.name == "lm_head.weight"))
            refuse(tensor, fmt::format("has no part in the architecture that the {} names; this version cannot run the model",
                                       gguf_ ? "file" : "config.json"));
    }
}

WEIGHTSCOPE_INLINE void transformer_planner::refuse(const named_tensor& tensor, std::string_view fault) const
{
    throw io_error(tensor.file ? tensor.file->path() : model_.path, std::nullopt,
                   fmt::format("tensor '{}'", printable(tensor.name)), fault);
}

WEIGHTSCOPE_INLINE std::map<std::size_t, std::size_t> transformer_planner::used_places() const
{
    std::map<std::size_t, std::size_t> used;
    transformer_plan copy = plan_;
    visit_tensors(copy, [&](std::size_t place) {
        if (place != no_tensor)
            used.emplace(place, 0);
    });
    std::size_t next = 0;
    for (auto& [place, number] : used)
        number = next++;
    return used;
}

WEIGHTSCOPE_INLINE transformer_plan transformer_planner::number_in_model_order()
{
    const std::map<std::size_t, std::size_t> used = used_places();
    for (const auto& [place, number] : used)
        plan_.tensors.push_back(model_.tensors[place]);
    visit_tensors(plan_, [&](std::size_t& place) {
        if (place != no_tensor)
            place = used.at(place);
    });
    return std::move(plan_);
}

}  // namespace weightscope::detail
