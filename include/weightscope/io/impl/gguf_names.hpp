#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

struct name_pair
{
    std::string_view gguf, hugging_face;
};

// Names without ".weight" or ".bias". The first list is of tensors that stand once, the second of those of each layer.
struct gguf_family_names
{
    std::string_view gguf_layer = "blk.", hugging_face_layer;
    std::array<name_pair, 4> once;
    std::array<name_pair, 9> per_layer;
};

inline constexpr gguf_family_names llama_names = {
    .hugging_face_layer = "model.layers.",
    .once = {{{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}, {}}},
    .per_layer = {{{"attn_norm", "input_layernorm"},
                   {"attn_q", "self_attn.q_proj"},
                   {"attn_k", "self_attn.k_proj"},
                   {"attn_v", "self_attn.v_proj"},
                   {"attn_output", "self_attn.o_proj"},
                   {"ffn_norm", "post_attention_layernorm"},
                   {"ffn_gate", "mlp.gate_proj"},
                   {"ffn_up", "mlp.up_proj"},
                   {"ffn_down", "mlp.down_proj"}}}};

inline constexpr gguf_family_names gpt2_names = {
    .hugging_face_layer = "transformer.h.",
    .once = {{{"token_embd", "transformer.wte"}, {"position_embd", "transformer.wpe"}, {"output_norm", "transformer.ln_f"}, {"output", "lm_head"}}},
    .per_layer = {{{"attn_norm", "ln_1"},
                   {"attn_qkv", "attn.c_attn"},
                   {"attn_output", "attn.c_proj"},
                   {"ffn_norm", "ln_2"},
                   {"ffn_up", "mlp.c_fc"},
                   {"ffn_down", "mlp.c_proj"},
                   {},
                   {},
                   {}}}};

inline const gguf_family_names& gguf_names_of(std::string_view architecture)
{
    return architecture == "gpt2" ? gpt2_names : llama_names;
}

// `name` in the other language, or as it is where no pair fits.
inline std::string translated_name(std::string_view name, const gguf_family_names& names, std::string_view name_pair::* from,
                                   std::string_view name_pair::* to)
{
    const std::size_t dot = name.rfind('.');
    const std::string_view stem = name.substr(0, dot), ending = dot == name.npos ? std::string_view() : name.substr(dot);
    if (ending != ".weight" && ending != ".bias")
        return std::string(name);
    for (const name_pair& pair : names.once)
        if (!stem.empty() && stem == pair.*from)
            return std::string(pair.*to) + std::string(ending);
    const name_pair layer = {names.gguf_layer, names.hugging_face_layer};
    if (!stem.starts_with(layer.*from))
        return std::string(name);
    const std::string_view rest = stem.substr((layer.*from).size());
    const std::size_t digits = rest.find('.');
    if (digits == rest.npos || digits == 0 || rest.substr(0, digits).find_first_not_of("0123456789") != rest.npos)
        return std::string(name);
    for (const name_pair& pair : names.per_layer)
        if (!(pair.*from).empty() && rest.substr(digits + 1) == pair.*from)
            return std::string(layer.*to) + std::string(rest.substr(0, digits + 1)) + std::string(pair.*to) + std::string(ending);
    return std::string(name);
}

}  // namespace detail

WEIGHTSCOPE_INLINE bool has_gguf_names(const model& m)
{
    return m.format.starts_with("GGUF");
}

WEIGHTSCOPE_INLINE std::string hugging_face_name(std::string_view gguf, std::string_view architecture)
{
    return detail::translated_name(gguf, detail::gguf_names_of(architecture), &detail::name_pair::gguf, &detail::name_pair::hugging_face);
}

WEIGHTSCOPE_INLINE std::string gguf_name(std::string_view name, std::string_view architecture)
{
    return detail::translated_name(name, detail::gguf_names_of(architecture), &detail::name_pair::hugging_face, &detail::name_pair::gguf);
}

}  // namespace weightscope
