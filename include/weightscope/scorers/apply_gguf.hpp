#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope::detail {

// The config.json that says what the metadata of a GGUF file do, or why there is none.
struct gguf_config
{
    std::optional<nlohmann::ordered_json> fields = {};
    std::string reason = {};
    std::size_t head_size = 0;
    bool turned_heads = false;  // rows of queries and keys are in the order of rotations of neighbours
};

inline gguf_config config_from_gguf(const model& m)
{
    const std::string& type = m.architecture;
    if (!has_gguf_names(m) || (type != "llama" && type != "qwen2"))
        return {.reason = "the model has no config.json to rewrite"};
    transformer_config c;
    try {
        c = read_transformer_config(m);
    } catch (const io_error& error) {
        return {.reason = error.what()};
    }
    if (!c.rope_divisors.empty())
        return {.reason = "config.json has no words for the divisors of rotations in 'rope_freqs.weight'"};
    const bool qwen = type == "qwen2";
    if (qwen ? !c.query_key_value_bias || c.attention_output_bias || c.feed_forward_bias : c.query_key_value_bias != c.attention_output_bias)
        return {.reason = fmt::format("a config.json of {} has no words for the biases that it has", type)};
    const bool mixture = c.expert_count > 0;
    const char* const family = mixture ? "mixtral" : qwen ? "qwen2" : "llama";
    const char* const architecture = mixture ? "MixtralForCausalLM" : qwen ? "Qwen2ForCausalLM" : "LlamaForCausalLM";
    nlohmann::ordered_json fields = {{"architectures", {architecture}},
                                     {"model_type", family},
                                     {"vocab_size", c.vocabulary_size},
                                     {"hidden_size", c.width},
                                     {"num_hidden_layers", c.layer_count},
                                     {"num_attention_heads", c.head_count},
                                     {"num_key_value_heads", c.kv_head_count},
                                     {"head_dim", c.head_size},
                                     {"intermediate_size", c.feed_forward_size},
                                     {"hidden_act", "silu"},
                                     {"max_position_embeddings", c.max_positions},
                                     {"rms_norm_eps", c.norm_epsilon},
                                     {"rope_theta", c.rope_theta},
                                     {"tie_word_embeddings", c.tied_head}};
    if (c.scaling == rope_scaling::linear)
        fields["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.scaling_factor}};
    if (mixture) {
        fields["num_local_experts"] = c.expert_count;
        fields["num_experts_per_tok"] = c.experts_per_token;
    } else if (!qwen) {
        fields["attention_bias"] = c.query_key_value_bias;
        fields["mlp_bias"] = c.feed_forward_bias;
    }
    return {.fields = std::move(fields), .head_size = c.head_size, .turned_heads = c.rope == rope_layout::interleaved};
}

// Rows of heads whose neighbours are rotated together, put where i and i + size / 2 of each head are.
inline std::vector<std::byte> unturned_rows(const std::vector<std::byte>& rows, std::size_t row_count, std::size_t head_size)
{
    const std::size_t row_bytes = rows.size() / std::max<std::size_t>(row_count, 1);
    std::vector<std::byte> result(rows.size());
    for (std::size_t row = 0; row < row_count; ++row) {
        const std::size_t first = row / head_size * head_size, at = first + row % 2 * (head_size / 2) + row % head_size / 2;
        std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(row * row_bytes), row_bytes, result.begin() + static_cast<std::ptrdiff_t>(at * row_bytes));
    }
    return result;
}

// A tensor of a GGUF file by the name and in the order that Hugging Face has: of a stack of experts one for each.
inline void append_as_hugging_face(const model& m, const gguf_config& config, const sliced_tensor& sliced, std::vector<tensor_to_write>& tensors)
{
    const dtype type = m.tensors[sliced.source].dtype;
    const auto name = parse_block_name(sliced.name);
    const std::string experts = name ? fmt::format("model.layers.{}.block_sparse_moe.", name->layer) : "";
    if (name && name->expert_stack && sliced.shape.size() == 3) {
        const char* const own = name->part == block_part::gate ? "w1" : name->part == block_part::down ? "w2" : "w3";
        for (std::size_t e = 0; e < sliced.shape[0]; ++e)
            tensors.push_back({.name = fmt::format("{}experts.{}.{}.weight", experts, e, own),
                               .dtype = type,
                               .shape = {sliced.shape[1], sliced.shape[2]},
                               .produce = [&m, sliced, e] {
                                   const std::vector<std::byte> all = slice_tensor(m, sliced);
                                   const std::size_t size = all.size() / sliced.shape[0];
                                   const auto begin = all.begin() + static_cast<std::ptrdiff_t>(e * size);
                                   return std::vector<std::byte>(begin, begin + static_cast<std::ptrdiff_t>(size));
                               }});
        return;
    }
    const bool heads = config.turned_heads && name && (name->part == block_part::query || name->part == block_part::key);
    tensors.push_back({.name = name && name->part == block_part::router ? experts + "gate.weight" : hugging_face_name(sliced.name, m.architecture),
                       .dtype = type,
                       .shape = sliced.shape,
                       .produce = [&m, sliced, heads, head_size = config.head_size] {
                           const std::vector<std::byte> bytes = slice_tensor(m, sliced);
                           return heads ? unturned_rows(bytes, sliced.shape[0], head_size) : bytes;
                       }});
}

}  // namespace weightscope::detail
