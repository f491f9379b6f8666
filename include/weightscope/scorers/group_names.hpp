#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

// The parts of a transformer block.
enum class block_part
{
    query,
    key,
    value,
    query_key_value,   // fused, in this order
    attention_output,
    attention_norm,    // before the attention
    attention_other,   // shared by all heads: norms of queries and keys, sinks
    gate,
    up,
    gate_up,           // fused, in this order
    down,
    feed_norm,
    router,
    other,
};

// What the name of a tensor in a block says.
struct block_name
{
    std::size_t layer = 0;
    block_part part = block_part::other;
    bool bias = false;
    bool expert_stack = false;                // [experts, out, in]
    std::optional<std::size_t> expert = {};   // of one expert's own tensor
    std::size_t number_at = 0, number_length = 0;  // where the layer's number stands in the name
    std::size_t expert_at = 0, expert_length = 0;  // and that of the expert
};

// Takes the text up to the next '.' off the front.
WEIGHTSCOPE_INLINE std::string_view take_word(std::string_view& text);

// "model.layers.3.self_attn.q_proj.weight": layer 3, query. Nothing for a tensor outside the blocks.
WEIGHTSCOPE_INLINE std::optional<block_name> parse_block_name(std::string_view name);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_names.hpp>
#endif
