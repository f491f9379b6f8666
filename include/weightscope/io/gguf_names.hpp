#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// Whether the tensors of a model are named as llama.cpp names them.
[[nodiscard]] WEIGHTSCOPE_INLINE bool has_gguf_names(const model& m);

/// The name that Hugging Face gives a tensor of a GGUF file: hugging_face_name("blk.0.attn_q.weight") is
/// "model.layers.0.self_attn.q_proj.weight". Names without a counterpart stay as they are.
///
/// @param architecture  model::architecture: the family of LLaMA is meant unless it is "gpt2"
[[nodiscard]] WEIGHTSCOPE_INLINE std::string hugging_face_name(std::string_view gguf, std::string_view architecture = "llama");

/// The name that llama.cpp gives a tensor that Hugging Face calls `name`: the way back from hugging_face_name().
[[nodiscard]] WEIGHTSCOPE_INLINE std::string gguf_name(std::string_view name, std::string_view architecture = "llama");

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/gguf_names.hpp>
#endif
