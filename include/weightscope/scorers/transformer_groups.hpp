#pragma once

#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_builder.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_slicer.hpp>

namespace weightscope {

/// Finds out from names and shapes what can be taken out of a transformer in one piece.
///
///     group         members                                                                        parameters without biases
///     kv_group      rows of key and value, rows of query and columns of output of its r heads      (2 r + 2) d h
///     query_head    for each of n key-value heads: rows of query and columns of output of a head   2 n d h
///     mlp_channel   row of gate and up, column of down                                             3 h
///     attention, mlp, block, expert                                                                all of theirs
///
/// for heads of size d in a stream of width h. Biases of rows go with them. Where there is one key-value head, the query heads are the
/// groups even where kv_group was asked for. Whole heads are the same rows whether RoPE turns halves or neighbours (GGUF's llama), so
/// the order within a head does not matter.
///
/// @param m        under the names of Hugging Face (LLaMA, Mistral, Qwen, Phi-3, GPT-2, Mixtral), of GGUF, or LLaMA's own; only headers
///                 are read
/// @param options  see transformer_groups_options
/// @return         see grouped_model; parameters include embeddings and norms, which no group has
/// @throws std::invalid_argument  no tensor is named like one of these, kinds overlap, or nothing tells the size of a head
/// @throws io_error               shapes contradict each other or the config.json
/// @see   Ma, Fang & Wang 2023, arXiv:2305.11627 (with grouped queries: one key-value head is one group)
[[nodiscard]] inline grouped_model transformer_groups(const model& m, const transformer_groups_options& options = {})
{
    return detail::group_builder(m, options).make();
}

}  // namespace weightscope
