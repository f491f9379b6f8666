#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/study/normalised_name.hpp>

namespace weightscope {

namespace detail {

// Wrappers that training and export put around a model.
inline constexpr std::array<std::string_view, 6> name_wrappers = {"module.", "_orig_mod.", "base_model.", "model.", "transformer.", "language_model."};

using dialect_pair = std::pair<std::string_view, std::string_view>;

// GGUF's and llama2.c's words for what Hugging Face names otherwise, within a layer.
inline constexpr std::array<dialect_pair, 24> dialect_layer_words = {{{"attn_q.", "self_attn.q_proj."},
                                                           {"attn_k.", "self_attn.k_proj."},
                                                           {"attn_v.", "self_attn.v_proj."},
                                                           {"attn_output.", "self_attn.o_proj."},
                                                           {"attn_q_norm.", "self_attn.q_norm."},
                                                           {"attn_k_norm.", "self_attn.k_norm."},
                                                           {"attn_norm.", "input_layernorm."},
                                                           {"ffn_norm.", "post_attention_layernorm."},
                                                           {"ffn_gate.", "mlp.gate_proj."},
                                                           {"ffn_up.", "mlp.up_proj."},
                                                           {"ffn_down.", "mlp.down_proj."},
                                                           {"attention.wq.", "self_attn.q_proj."},
                                                           {"attention.wk.", "self_attn.k_proj."},
                                                           {"attention.wv.", "self_attn.v_proj."},
                                                           {"attention.wo.", "self_attn.o_proj."},
                                                           {"attention_norm.", "input_layernorm."},
                                                           {"feed_forward.w1.", "mlp.gate_proj."},
                                                           {"feed_forward.w2.", "mlp.down_proj."},
                                                           {"feed_forward.w3.", "mlp.up_proj."},
                                                           {"ln_1.", "input_layernorm."},
                                                           {"ln_2.", "post_attention_layernorm."},
                                                           {"attn.c_proj.", "self_attn.o_proj."},
                                                           {"mlp.c_fc.", "mlp.up_proj."},
                                                           {"mlp.c_proj.", "mlp.down_proj."}}};

inline constexpr std::array<dialect_pair, 6> dialect_model_words = {{{"token_embd.", "embed_tokens."},
                                                          {"tok_embeddings.", "embed_tokens."},
                                                          {"output_norm.", "norm."},
                                                          {"output.", "lm_head."},
                                                          {"wte.", "embed_tokens."},
                                                          {"ln_f.", "norm."}}};

inline std::string with_word(std::string_view text, std::span<const dialect_pair> words)
{
    for (const auto& [from, to] : words)
        if (text.starts_with(from))
            return std::string(to) + std::string(text.substr(from.size()));
    return std::string(text);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string normalised_name(std::string_view name)
{
    for (bool again = true; again;) {
        again = false;
        for (const std::string_view wrapper : detail::name_wrappers)
            if (name.starts_with(wrapper) && name.size() > wrapper.size()) {
                name.remove_prefix(wrapper.size());
                again = true;
            }
    }
    for (const std::string_view layers : {"layers.", "blk.", "h.", "blocks."})
        if (name.starts_with(layers)) {
            const std::size_t dot = name.find('.', layers.size());
            if (dot != std::string_view::npos)
                return "layers." + std::string(name.substr(layers.size(), dot - layers.size())) + "."
                       + detail::with_word(name.substr(dot + 1), detail::dialect_layer_words);
        }
    return detail::with_word(name, detail::dialect_model_words);
}

}  // namespace weightscope
