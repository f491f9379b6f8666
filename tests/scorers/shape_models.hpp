// Models of which only names and shapes exist.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace shapes {

using namespace weightscope;

struct llama_shape
{
    std::size_t layers = 0, width = 0, heads = 0, kv_heads = 0, head_size = 0, feed = 0, vocabulary = 0;
    bool biases = false;
};

inline void add(model& m, const std::string& name, std::vector<std::size_t> shape)
{
    m.tensors.push_back({.name = name, .shape = std::move(shape), .dtype = dtype::bfloat16});
}

// LLaMA under the names of Hugging Face, with an output layer of its own.
inline model llama(const llama_shape& s)
{
    model m;
    add(m, "model.embed_tokens.weight", {s.vocabulary, s.width});
    for (std::size_t l = 0; l < s.layers; ++l) {
        const std::string name = fmt::format("model.layers.{}.", l);
        const auto linear = [&](const char* part, std::size_t out, std::size_t in) {
            add(m, name + part + ".weight", {out, in});
            if (s.biases)
                add(m, name + part + ".bias", {out});
        };
        add(m, name + "input_layernorm.weight", {s.width});
        linear("self_attn.q_proj", s.heads * s.head_size, s.width);
        linear("self_attn.k_proj", s.kv_heads * s.head_size, s.width);
        linear("self_attn.v_proj", s.kv_heads * s.head_size, s.width);
        linear("self_attn.o_proj", s.width, s.heads * s.head_size);
        add(m, name + "post_attention_layernorm.weight", {s.width});
        linear("mlp.gate_proj", s.feed, s.width);
        linear("mlp.up_proj", s.feed, s.width);
        linear("mlp.down_proj", s.width, s.feed);
    }
    add(m, "model.norm.weight", {s.width});
    add(m, "lm_head.weight", {s.vocabulary, s.width});
    return m;
}

}  // namespace shapes
