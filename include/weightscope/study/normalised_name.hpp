#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// A tensor's name as others may write it: without the wrappers that training puts before it, and in Hugging Face's words where it is in
/// those of GGUF, llama2.c or GPT-2.
///
///     normalised_name("module.blk.3.attn_q.weight") == "layers.3.self_attn.q_proj.weight"
[[nodiscard]] WEIGHTSCOPE_INLINE std::string normalised_name(std::string_view name);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/normalised_name.hpp>
#endif
