#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope {

namespace detail {

// Which of an evaluator's tensors has this name; the number of tensors where none has.
WEIGHTSCOPE_INLINE std::size_t weight_named(const std::vector<weight_info>& weights, const std::string& name);

// Puts a variant's decoded weights into an evaluator of the model. A tensor that the evaluator does not have is passed over.
WEIGHTSCOPE_INLINE void write_variant(weight_patch& patch, const std::vector<weight_info>& weights, const model& m,
                                      const std::vector<located_layer>& layers, const quantization_study_result& study,
                                      const variant_result& variant);

// Gives some variants of a study their quality, and the study its evaluation.
WEIGHTSCOPE_INLINE void measure_variants(const char* caller, const model& m, quantization_study_result& study,
                                         const std::vector<std::size_t>& variants, quality_meter& meter, const progress_callback& progress);

}  // namespace detail

/// Runs the model with the weights of each variant of a study, decoded again, and adds what that does to its loss and its outputs.
///
///     quality_meter meter(evaluator);
///     const auto study = measure_losses(m, study_quantization(m, options), meter);
///     study.variants[v].quality->loss_change ...
///
/// Weights are changed in place and put back: no second model is held, but the bytes that a variant replaces. Decoded weights are
/// rounded to the dtype that the model has them in, as write_dequantized does. The variant that is recommended is then the smallest
/// whose loss is at most max_loss_increase above that of the model as it is (and within max_error, where that is set).
///
/// @param m         that the study is of
/// @param study     its variants get a quality, and it gets an evaluation
/// @param meter     of an evaluator of this model; tensors are found by name
/// @param progress  called after each forward pass; may cancel
/// @throws std::invalid_argument  the study is of another model, or the evaluator has a tensor in another shape or type
/// @throws cancelled              the callback returned false
/// @note meter.plan(study.variants.size()) tells the cost before
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_study_result measure_losses(const model& m, quantization_study_result study, quality_meter& meter,
                                                                          const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_losses.hpp>
#endif
