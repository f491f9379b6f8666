#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include <weightscope/core/compiled.hpp>

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

    [[nodiscard]] layer_widths widths(std::size_t layer) const;
};

namespace detail {

// What write_pruned() adds to the configuration of a model whose layers came to differ.
inline constexpr const char* layer_widths_key = "weightscope_layers";

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
[[nodiscard]] WEIGHTSCOPE_INLINE transformer_config read_transformer_config(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/transformer_config.hpp>
#endif
