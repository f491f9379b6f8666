#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope::detail {

struct block_word
{
    std::string_view name;
    block_part part;
};

// Hugging Face (LLaMA, Mistral, Qwen, Phi-3, GPT-2, Mixtral, Qwen-MoE), GGUF, and LLaMA's own.
inline constexpr std::array<block_word, 45> block_words = {{
    {"self_attn.q_proj", block_part::query},
    {"self_attn.k_proj", block_part::key},
    {"self_attn.v_proj", block_part::value},
    {"self_attn.qkv_proj", block_part::query_key_value},
    {"self_attn.o_proj", block_part::attention_output},
    {"mlp.gate_proj", block_part::gate},
    {"mlp.up_proj", block_part::up},
    {"mlp.gate_up_proj", block_part::gate_up},
    {"mlp.down_proj", block_part::down},
    {"input_layernorm", block_part::attention_norm},
    {"post_attention_layernorm", block_part::feed_norm},
    {"mlp.gate", block_part::router},
    {"block_sparse_moe.gate", block_part::router},
    {"attn.c_attn", block_part::query_key_value},
    {"attn.c_proj", block_part::attention_output},
    {"mlp.c_fc", block_part::up},
    {"mlp.c_proj", block_part::down},
    {"ln_1", block_part::attention_norm},
    {"ln_2", block_part::feed_norm},
    {"attn_q", block_part::query},
    {"attn_k", block_part::key},
    {"attn_v", block_part::value},
    {"attn_qkv", block_part::query_key_value},
    {"attn_output", block_part::attention_output},
    {"attn_norm", block_part::attention_norm},
    {"ffn_gate", block_part::gate},
    {"ffn_up", block_part::up},
    {"ffn_down", block_part::down},
    {"ffn_norm", block_part::feed_norm},
    {"ffn_gate_inp", block_part::router},
    {"attention.wq", block_part::query},
    {"attention.wk", block_part::key},
    {"attention.wv", block_part::value},
    {"attention.wo", block_part::attention_output},
    {"attention_norm", block_part::attention_norm},
    {"feed_forward.w1", block_part::gate},
    {"feed_forward.w3", block_part::up},
    {"feed_forward.w2", block_part::down},
    // of an expert, after its number
    {"w1", block_part::gate},
    {"w3", block_part::up},
    {"w2", block_part::down},
    {"gate_proj", block_part::gate},
    {"up_proj", block_part::up},
    {"down_proj", block_part::down},
    {"gate_up_proj", block_part::gate_up},
}};

inline constexpr std::size_t expert_words_begin = 38;

inline std::optional<std::size_t> whole_number_of(std::string_view text)
{
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(number) : std::nullopt;
}

WEIGHTSCOPE_INLINE std::string_view take_word(std::string_view& text)
{
    const std::string_view word = text.substr(0, text.find('.'));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    return word;
}

inline std::optional<block_part> part_named(std::string_view name, bool expert)
{
    const auto begin = block_words.begin() + (expert ? expert_words_begin : 0);
    const auto end = expert ? block_words.end() : block_words.begin() + expert_words_begin;
    const auto at = std::find_if(begin, end, [&](const block_word& word) { return word.name == name; });
    return at == end ? std::nullopt : std::optional(at->part);
}

WEIGHTSCOPE_INLINE std::optional<block_name> parse_block_name(std::string_view name)
{
    static constexpr std::string_view words[] = {"layers", "h", "blk", "blocks", "block"};
    const std::string_view full = name;
    block_name result;
    while (true) {
        if (name.empty())
            return std::nullopt;
        const std::string_view word = take_word(name);
        std::string_view rest = name;
        const auto number = whole_number_of(take_word(rest));
        if (number && std::find(std::begin(words), std::end(words), word) != std::end(words)) {
            result.layer = *number;
            result.number_at = full.size() - name.size();
            result.number_length = name.size() - rest.size() - (rest.empty() ? 0 : 1);
            name = rest;
            break;
        }
    }
    const std::string_view whole = name;
    result.bias = name.ends_with(".bias");
    for (const std::string_view ending : {".weight", ".bias"})
        if (name.ends_with(ending))
            name.remove_suffix(ending.size());
    if (const std::size_t at = name.find("experts."); at != std::string_view::npos && name.find("shared_expert") == std::string_view::npos) {
        std::string_view rest = name.substr(at + 8);
        std::string_view after = rest;
        const auto expert = whole_number_of(take_word(after));
        if (const auto part = part_named(expert ? after : rest, true)) {
            result.part = *part;
            result.expert = expert;
            result.expert_at = static_cast<std::size_t>(rest.data() - full.data());
            result.expert_length = rest.size() - after.size() - (after.empty() ? 0 : 1);
            result.expert_stack = !expert;
        }
        return result;
    }
    if (name.ends_with("_exps")) {  // GGUF
        name.remove_suffix(5);
        result.expert_stack = true;
    }
    const auto part = part_named(name, false);
    const bool of_attention = whole.starts_with("self_attn.") || whole.starts_with("attn") || whole.starts_with("attention.");
    result.part = part ? *part : of_attention ? block_part::attention_other : block_part::other;
    if (result.part == block_part::other)
        result.expert_stack = false;
    return result;
}

}  // namespace weightscope::detail
