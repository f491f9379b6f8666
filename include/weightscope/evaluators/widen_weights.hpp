#pragma once

#include <memory>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// A model and the memory that some of its tensors lie in: moved, never copied.
struct widened_model
{
    model wider = {};
    std::vector<std::unique_ptr<float[]>> memory = {};
};

/// The model with its weights of 16 bits and less as floats of the same values, so that differences can move them by a little: a step
/// of a bfloat16 is 0.4 to 0.8 % of it, and most small steps move it by nothing.
///
///     const widened_model wide = widen_weights(m);
///     transformer<float> evaluator(wide.wider, config, tokens);
///     const auto diagonal = estimate_hessian_diagonal(evaluator);
///
/// @param m  any model; tensors of float, double and integers stay where they lie
/// @return   see widened_model: equal values, tied tensors still on one storage; it must outlive what refers to its model
/// @throws io_error  a tensor could not be read
/// @note   4 bytes of memory for each weight that is widened. NaN and Inf are kept.
[[nodiscard]] WEIGHTSCOPE_INLINE widened_model widen_weights(const model& m);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/widen_weights.hpp>
#endif
