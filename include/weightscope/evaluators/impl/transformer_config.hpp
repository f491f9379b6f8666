#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/config_reader.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE layer_widths transformer_config::widths(std::size_t layer) const
{
    return layers.empty() ? layer_widths{head_count, kv_head_count, feed_forward_size, expert_count} : layers[layer];
}

namespace detail {

inline void read_rope(const config_reader& config, const std::filesystem::path& path, transformer_config& result)
{
    const nlohmann::json* renamed = config.find("rope_parameters");
    const nlohmann::json* scaling = renamed ? renamed : config.find("rope_scaling");
    result.rope_theta = config.positive("rope_theta", 10000.0);
    if (!scaling)
        return;
    const config_reader rope(path, *scaling, renamed ? "rope_parameters." : "rope_scaling.");
    result.rope_theta = rope.positive("rope_theta", result.rope_theta);
    const char* key = rope.find("rope_type") ? "rope_type" : "type";
    rope.one_of(key, "default", {"default", "linear", "llama3"});
    const std::string kind = rope.text(key, "default");
    if (kind == "default")
        return;
    result.scaling = kind == "linear" ? rope_scaling::linear : rope_scaling::llama3;
    result.scaling_factor = rope.positive("factor");
    if (kind == "llama3") {
        result.low_frequency_factor = rope.positive("low_freq_factor");
        result.high_frequency_factor = rope.positive("high_freq_factor");
        result.original_positions = rope.positive("original_max_position_embeddings");
        if (!(result.low_frequency_factor < result.high_frequency_factor))
            rope.refuse("low_freq_factor", "below high_freq_factor", result.low_frequency_factor);
    }
}

inline void read_layer_widths(const config_reader& config, const std::filesystem::path& path, transformer_config& result)
{
    const nlohmann::json* list = config.find(layer_widths_key);
    if (!list)
        return;
    if (!list->is_array() || list->size() != result.layer_count)
        config.refuse(layer_widths_key, fmt::format("a list of {} layers", result.layer_count), *list);
    for (std::size_t i = 0; i < list->size(); ++i) {
        const config_reader layer(path, (*list)[i], fmt::format("{}[{}].", layer_widths_key, i));
        layer_widths& w = result.layers.emplace_back(
            layer_widths{.head_count = layer.count_or_none("num_attention_heads"),
                         .kv_head_count = layer.count_or_none("num_key_value_heads"),
                         .feed_forward_size = layer.count_or_none("intermediate_size"),
                         .expert_count = result.expert_count > 0 ? layer.count("num_local_experts", result.expert_count) : 0});
        if ((w.head_count == 0) != (w.kv_head_count == 0) || (w.kv_head_count > 0 && w.head_count % w.kv_head_count != 0))
            layer.refuse("num_key_value_heads", fmt::format("a divisor of num_attention_heads, {}", w.head_count), w.kv_head_count);
    }
}

inline transformer_config read_llama_config(const config_reader& config, const std::filesystem::path& path, const std::string& type)
{
    config.one_of("hidden_act", "silu", {"silu", "swish"});
    config.must_be("use_sliding_window", false);
    const bool qwen = type == "qwen2";
    transformer_config result{.family = transformer_family::llama,
                              .vocabulary_size = config.count("vocab_size"),
                              .width = config.count("hidden_size"),
                              .layer_count = config.count("num_hidden_layers"),
                              .head_count = config.count("num_attention_heads")};
    result.kv_head_count = config.count("num_key_value_heads", result.head_count);
    if (result.head_count % result.kv_head_count != 0)
        config.refuse("num_key_value_heads", fmt::format("a divisor of num_attention_heads, {}", result.head_count),
                      result.kv_head_count);
    if (!config.find("head_dim") && result.width % result.head_count != 0)
        config.refuse("num_attention_heads", fmt::format("a divisor of hidden_size, {}", result.width), result.head_count);
    result.head_size = config.count("head_dim", result.width / result.head_count);
    if (result.head_size % 2 != 0)
        config.refuse("head_dim", "an even number: rotations turn pairs", result.head_size);
    result.feed_forward_size = config.count("intermediate_size");
    result.max_positions = config.count("max_position_embeddings", 2048);
    if (type == "mistral" || type == "mixtral")  // attention sees no further than the window: shorter sequences are the same with and without
        result.max_positions = std::min(result.max_positions, config.count("sliding_window", result.max_positions));
    result.norm_epsilon = config.positive("rms_norm_eps", 1e-6);
    result.tied_head = config.flag("tie_word_embeddings", false);
    const bool biases = !qwen && config.flag("attention_bias", false);
    result.query_key_value_bias = qwen || biases;
    result.attention_output_bias = biases;
    result.feed_forward_bias = config.flag("mlp_bias", false);
    read_rope(config, path, result);
    if (type == "mixtral") {
        result.expert_count = config.count("num_local_experts");
        result.experts_per_token = config.count("num_experts_per_tok");
        if (result.experts_per_token > result.expert_count)
            config.refuse("num_experts_per_tok", fmt::format("at most num_local_experts, {}", result.expert_count), result.experts_per_token);
    }
    read_layer_widths(config, path, result);
    return result;
}

inline transformer_config read_gpt2_config(const config_reader& config, const std::filesystem::path& path)
{
    config.one_of("activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh"});
    config.must_be("scale_attn_weights", true);
    config.must_be("scale_attn_by_inverse_layer_idx", false);
    config.must_be("add_cross_attention", false);
    transformer_config result{.family = transformer_family::gpt2,
                              .vocabulary_size = config.count("vocab_size"),
                              .width = config.count("n_embd"),
                              .layer_count = config.count("n_layer"),
                              .head_count = config.count("n_head")};
    if (result.width % result.head_count != 0)
        config.refuse("n_head", fmt::format("a divisor of n_embd, {}", result.width), result.head_count);
    result.kv_head_count = result.head_count;
    result.head_size = result.width / result.head_count;
    result.feed_forward_size = config.count("n_inner", 4 * result.width);
    result.max_positions = config.count("n_positions", config.count("n_ctx", 1024));
    result.norm_epsilon = config.positive("layer_norm_epsilon", 1e-5);
    result.tied_head = config.flag("tie_word_embeddings", true);
    result.query_key_value_bias = result.attention_output_bias = result.feed_forward_bias = true;
    read_layer_widths(config, path, result);
    for (const layer_widths& w : result.layers)
        if (w.head_count != w.kv_head_count)
            config.refuse(layer_widths_key, "layers with as many key-value heads as heads", w.kv_head_count);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE transformer_config read_transformer_config(const std::filesystem::path& path)
{
    const nlohmann::json fields = detail::read_json_document(path);
    const detail::config_reader config(path, fields);
    struct known_architecture
    {
        std::string_view type, architecture;
    };
    static constexpr std::array<known_architecture, 5> known = {{{"gpt2", "GPT2LMHeadModel"},
                                                                 {"llama", "LlamaForCausalLM"},
                                                                 {"mistral", "MistralForCausalLM"},
                                                                 {"mixtral", "MixtralForCausalLM"},
                                                                 {"qwen2", "Qwen2ForCausalLM"}}};
    std::string type = config.text("model_type", "");
    if (type.empty()) {
        const nlohmann::json* names = config.find("architectures");
        if (names && names->is_array() && !names->empty())
            for (const known_architecture& k : known)
                if (names->front() == k.architecture)
                    type = k.type;
    }
    for (const known_architecture& k : known)
        if (type == k.type)
            return type == "gpt2" ? detail::read_gpt2_config(config, path) : detail::read_llama_config(config, path, type);
    throw io_error(path, std::nullopt, "model_type",
                   fmt::format("is '{}', expected one that is supported: gpt2, llama, mistral, mixtral, qwen2", printable(type, 40)));
}

}  // namespace weightscope
