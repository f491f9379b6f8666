#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/config_reader.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

enum class transformer_family
{
    llama,  ///< RMSNorm, rotary positions, gated SiLU, [out, in] weights: LLaMA, Mistral, Mixtral, Qwen2
    gpt2,   ///< LayerNorm, learned positions, GELU (tanh), fused query-key-value projection
};

/// Which elements of a head RoPE turns together.
enum class rope_layout
{
    half_split,   ///< i and i + size/2: the checkpoints of Hugging Face
    interleaved,  ///< 2i and 2i + 1: the original LLaMA and what was trained with its code, and the GGUF files of llama
};

/// How a model of the LLaMA family was made to see longer texts than it was trained on.
enum class rope_scaling
{
    none,
    linear,  ///< positions are divided by the factor
    llama3,  ///< slow rotations are divided by the factor, fast ones kept
};

/// How wide one layer is.
struct layer_widths
{
    std::size_t head_count = 0;         ///< 0: the layer has no attention
    std::size_t kv_head_count = 0;
    std::size_t feed_forward_size = 0;  ///< of each expert, where there are some; 0: the layer has no feed-forward part
    std::size_t expert_count = 0;       ///< 0: one feed-forward part for all tokens

    friend bool operator==(const layer_widths&, const layer_widths&) = default;
};

/// What the config.json of a decoder says, in this library's words.
struct transformer_config
{
    transformer_family family = transformer_family::llama;
    std::size_t vocabulary_size = 0;
    std::size_t width = 0;               ///< of the residual stream
    std::size_t layer_count = 0;
    std::size_t head_count = 0;
    std::size_t kv_head_count = 0;       ///< fewer than head_count: several heads share a key and a value
    std::size_t head_size = 0;
    std::size_t feed_forward_size = 0;
    std::size_t max_positions = 0;       ///< longest sequence
    double norm_epsilon = 1e-5;
    bool tied_head = false;              ///< the output layer is the embedding
    bool query_key_value_bias = false;   ///< the biases of the LLaMA family; GPT-2 has all of them
    bool attention_output_bias = false;
    bool feed_forward_bias = false;
    double rope_theta = 10000;
    rope_scaling scaling = rope_scaling::none;
    double scaling_factor = 1;
    double low_frequency_factor = 1;     ///< of rope_scaling::llama3
    double high_frequency_factor = 4;
    double original_positions = 8192;
    std::vector<layer_widths> layers = {};  ///< one for each layer, of a pruned model whose layers differ; empty: all are as above

    rope_layout rope = rope_layout::half_split;  ///< of the query and key weights; GPT-2 has none
    std::vector<double> rope_divisors = {};      ///< [head_size / 2] that the frequencies are divided by; empty: 1
    std::size_t expert_count = 0;        ///< feed-forward parts of a layer, of which a token takes some; 0: one for all
    std::size_t experts_per_token = 0;   ///< those with the highest logits of the router, by the softmax over them

    [[nodiscard]] layer_widths widths(std::size_t layer) const
    {
        return layers.empty() ? layer_widths{head_count, kv_head_count, feed_forward_size, expert_count} : layers[layer];
    }
};

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

// What write_pruned() adds to the configuration of a model whose layers came to differ.
inline constexpr const char* layer_widths_key = "weightscope_layers";

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

/// Reads a Hugging Face config.json of a model that `transformer` can run.
///
/// The family is told by model_type, or by the first of architectures where that is missing: llama, mistral, mixtral, qwen2 or gpt2. Other
/// architectures and settings that would change the result (another activation, a sliding window in use, another RoPE scaling) are
/// refused. Mistral's window shortens max_positions to its own length. The widths of single layers are those of "weightscope_layers",
/// which write_pruned() adds where layers differ.
///
/// @param path  of the config.json
/// @throws io_error  naming the setting that is missing, malformed or not supported
[[nodiscard]] inline transformer_config read_transformer_config(const std::filesystem::path& path)
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
