#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>

namespace weightscope {

/// The forward passes that measure_plan() takes.
[[nodiscard]] WEIGHTSCOPE_INLINE model_quality_plan plan_measured(const allocation_plan& plan, const quality_meter& meter);

/// Runs the model with the weights of a plan, of each rule of thumb, and of the plan in as many bytes as that rule: what they lose as a
/// whole, which the sum of the losses of single layers only stands for.
///
///     quality_meter meter(evaluator);
///     const auto plan = measure_plan(m, plan_allocation(m, {.bits_per_weight = 4.25}), meter);
///     plan.study.variants[plan.variant].quality->loss_change ...
///
/// Weights are changed in place and put back.
///
/// @param m         that the plan is for
/// @param plan      its variant, and those of its rules, get a quality, and its study an evaluation
/// @param meter     of an evaluator of this model; tensors are found by name
/// @param progress  called after each forward pass; may cancel
/// @throws std::invalid_argument  the plan is of another model, or the evaluator has a tensor in another shape or type
/// @throws cancelled              the callback returned false
[[nodiscard]] WEIGHTSCOPE_INLINE allocation_plan measure_plan(const model& m, allocation_plan plan, quality_meter& meter,
                                                              const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/allocation_evaluation.hpp>
#endif
