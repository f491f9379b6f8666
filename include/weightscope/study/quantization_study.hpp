#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// Measures what ways to quantize a model would store and lose, layer by layer and in all, in one pass over each layer, and says
/// which is the most accurate, the smallest, and the one to take.
///
///     quantization_study_options options;
///     for (const auto& config : study_configs()) options.variants.push_back(to_variant(config));
///     const auto study = study_quantization(open_model("model.safetensors"), options);
///     study.variants[study.recommended].name ...
///
/// Matrices and kernels are quantized. Embeddings, biases and the gains of norms, integers and what the patterns do not choose are
/// kept as stored, and so are the first and the last layer where a variant skips them; equal tensors are treated alike. GPT-2's turned
/// matrices are quantized as [out, in], stacks of experts one by one.
///
/// With search_groups one more variant chooses a group size for each layer: with max_error the largest within it, else those that make
/// Σ e² least for the bytes of the middle size. With max_error a progressive variant goes from INT8 for each output to smaller codes
/// in groups wherever the layer stays within it, and keeps what exceeds it even so.
///
/// @param m         see open_model
/// @param options   see quantization_study_options
/// @param progress  called when a layer begins and when it is done; may cancel
/// @return          see quantization_study_result; a layer that cannot be read has an `error` and is kept
/// @throws std::invalid_argument  nothing to study, a scheme that does not exist or does not fit, or the patterns leave no tensor
/// @throws cancelled              the callback returned false
/// @note memory beyond the mapped file: a copy of a layer that has to be turned. The same figures for any number of threads.
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_study_result study_quantization(const model& m, const quantization_study_options& options,
                                                                              const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_study.hpp>
#endif
