#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// The configuration of a model in a GGUF file that `transformer` can run, from its metadata. The architectures llama (Mistral's and
/// Mixtral's files say so too), qwen2 and gpt2 are supported. RoPE turns neighbours in files of llama, whose query and key weights are permuted for
/// it, and halves in those of qwen2. The output layer is tied where the file has no "output.weight".
///
/// @throws io_error  naming the key that is missing, malformed or not supported
[[nodiscard]] WEIGHTSCOPE_INLINE transformer_config read_transformer_config(const model& m);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/transformer_config_gguf.hpp>
#endif
