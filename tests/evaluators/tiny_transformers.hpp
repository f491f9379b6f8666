// The tiny decoders of tests/reference/make_transformer_reference.py: the same configurations, weights and tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace tiny {

using namespace weightscope;

inline double hashed(std::uint64_t tensor, std::uint64_t index)
{
    std::uint64_t z = ((tensor << 32) + index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9u;
    return static_cast<double>((z ^ (z >> 32)) >> 11) * 0x1p-53 - 0.5;
}

// A model in memory, and the bytes of its tensors.
struct made_model
{
    model m = {};
    std::deque<std::vector<std::byte>> bytes = {};

    // Weights of type T made from the hash, or all from `value(name, hash)`.
    template <class T = double>
    void add(const std::string& name, std::vector<std::size_t> shape)
    {
        const std::uint64_t number = m.tensors.size();
        const bool gain = shape.size() == 1 && name.ends_with("weight"), embedding = name.find("embed") != std::string::npos
                       || name.find("wte") != std::string::npos;
        std::size_t count = 1;
        for (const std::size_t extent : shape)
            count *= extent;
        std::vector<std::byte>& memory = bytes.emplace_back(count * sizeof(T));
        for (std::size_t i = 0; i < count; ++i) {
            const double value = hashed(number, i);
            reinterpret_cast<T*>(memory.data())[i] = static_cast<T>(gain ? 1 + value : embedding ? 2 * value : value);
        }
        m.tensors.push_back({.name = name, .shape = std::move(shape), .dtype = dtype_of<T>, .bytes = memory});
    }
};

template <class T = double>
made_model make_model(const transformer_config& c)
{
    made_model result;
    const std::size_t d = c.width, f = c.feed_forward_size, q = c.head_count * c.head_size, kv = c.kv_head_count * c.head_size;
    const auto add = [&](const std::string& name, std::vector<std::size_t> shape) { result.add<T>(name, std::move(shape)); };
    if (c.family == transformer_family::gpt2) {
        add("wte.weight", {c.vocabulary_size, d});
        add("wpe.weight", {c.max_positions, d});
        for (std::size_t l = 0; l < c.layer_count; ++l) {
            const std::string name = "h." + std::to_string(l) + ".";
            add(name + "ln_1.weight", {d});
            add(name + "ln_1.bias", {d});
            add(name + "attn.c_attn.weight", {d, 3 * d});
            add(name + "attn.c_attn.bias", {3 * d});
            add(name + "attn.c_proj.weight", {d, d});
            add(name + "attn.c_proj.bias", {d});
            add(name + "ln_2.weight", {d});
            add(name + "ln_2.bias", {d});
            add(name + "mlp.c_fc.weight", {d, f});
            add(name + "mlp.c_fc.bias", {f});
            add(name + "mlp.c_proj.weight", {f, d});
            add(name + "mlp.c_proj.bias", {d});
        }
        add("ln_f.weight", {d});
        add("ln_f.bias", {d});
        return result;
    }
    add("model.embed_tokens.weight", {c.vocabulary_size, d});
    for (std::size_t l = 0; l < c.layer_count; ++l) {
        const std::string name = "model.layers." + std::to_string(l) + ".";
        const auto add_linear = [&](const std::string& part, std::size_t out, std::size_t in, bool bias) {
            add(name + part + ".weight", {out, in});
            if (bias)
                add(name + part + ".bias", {out});
        };
        add(name + "input_layernorm.weight", {d});
        add_linear("self_attn.q_proj", q, d, c.query_key_value_bias);
        add_linear("self_attn.k_proj", kv, d, c.query_key_value_bias);
        add_linear("self_attn.v_proj", kv, d, c.query_key_value_bias);
        add_linear("self_attn.o_proj", d, q, c.attention_output_bias);
        if (c.expert_count == 0) {
            add_linear("mlp.gate_proj", f, d, c.feed_forward_bias);
            add_linear("mlp.up_proj", f, d, c.feed_forward_bias);
            add_linear("mlp.down_proj", d, f, c.feed_forward_bias);
        } else {
            for (std::size_t e = 0; e < c.expert_count; ++e)
                for (const char* part : {"w1", "w2", "w3"})
                    add_linear("block_sparse_moe.experts." + std::to_string(e) + "." + part, part[1] == '2' ? d : f, part[1] == '2' ? f : d, false);
            add_linear("block_sparse_moe.gate", c.expert_count, d, false);
        }
        add(name + "post_attention_layernorm.weight", {d});
    }
    add("model.norm.weight", {d});
    if (!c.tied_head)
        add("lm_head.weight", {c.vocabulary_size, d});
    return result;
}

// Two rows, the second ends in three places of padding.
inline token_rows make_tokens(std::size_t length, std::size_t vocabulary)
{
    token_rows result{.rows = 2, .length = length};
    for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t i = 0; i < length; ++i)
            result.tokens.push_back(r == 1 && i + 3 >= length ? -1 : static_cast<std::int32_t>((7 * i * i + 3 * i + 5 * r) % vocabulary));
    return result;
}

inline const transformer_config gpt2{.family = transformer_family::gpt2,
                                     .vocabulary_size = 29,
                                     .width = 12,
                                     .layer_count = 2,
                                     .head_count = 3,
                                     .kv_head_count = 3,
                                     .head_size = 4,
                                     .feed_forward_size = 40,
                                     .max_positions = 16,
                                     .tied_head = true,
                                     .query_key_value_bias = true,
                                     .attention_output_bias = true,
                                     .feed_forward_bias = true};
inline const transformer_config llama{.vocabulary_size = 31,
                                      .width = 16,
                                      .layer_count = 2,
                                      .head_count = 4,
                                      .kv_head_count = 2,
                                      .head_size = 6,
                                      .feed_forward_size = 20,
                                      .max_positions = 200};
inline const transformer_config qwen2{.vocabulary_size = 23,
                                      .width = 12,
                                      .layer_count = 2,
                                      .head_count = 3,
                                      .kv_head_count = 1,
                                      .head_size = 4,
                                      .feed_forward_size = 28,
                                      .max_positions = 200,
                                      .norm_epsilon = 1e-6,
                                      .tied_head = true,
                                      .query_key_value_bias = true,
                                      .rope_theta = 1e6};
// every bias, interleaved RoPE, slowed rotations
inline const transformer_config llama3{.vocabulary_size = 19,
                                       .width = 16,
                                       .layer_count = 1,
                                       .head_count = 2,
                                       .kv_head_count = 2,
                                       .head_size = 8,
                                       .feed_forward_size = 24,
                                       .max_positions = 200,
                                       .query_key_value_bias = true,
                                       .attention_output_bias = true,
                                       .feed_forward_bias = true,
                                       .rope_theta = 100,
                                       .scaling = rope_scaling::llama3,
                                       .scaling_factor = 4,
                                       .low_frequency_factor = 1,
                                       .high_frequency_factor = 3,
                                       .original_positions = 24};

// two of four experts for each token
inline const transformer_config mixtral{.vocabulary_size = 27,
                                        .width = 12,
                                        .layer_count = 2,
                                        .head_count = 2,
                                        .kv_head_count = 1,
                                        .head_size = 6,
                                        .feed_forward_size = 10,
                                        .max_positions = 200,
                                        .expert_count = 4,
                                        .experts_per_token = 2};

inline std::size_t tensor_number(std::span<const weight_info> weights, const std::string& name)
{
    std::size_t i = 0;
    while (weights[i].name != name)
        ++i;
    return i;
}

// The gradient of a batch as one vector per tensor.
using gradients = std::vector<std::vector<double>>;

template <class Evaluator>
gradients room_for_gradients(const Evaluator& e)
{
    gradients result;
    for (const weight_info& w : e.weights())
        result.emplace_back(w.size());
    return result;
}

inline gradient_sink adding_to(gradients& sums)
{
    return gradient_sink([&sums](std::size_t tensor, std::size_t offset, std::span<const double> values) {
        for (std::size_t i = 0; i < values.size(); ++i)
            sums[tensor][offset + i] += values[i];
    });
}

}  // namespace tiny
