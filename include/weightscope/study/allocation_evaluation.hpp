#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope {

namespace detail {

// The plan, the rules of thumb, and the plans of as many bytes.
inline std::vector<std::size_t> variants_to_measure(const allocation_plan& plan)
{
    std::vector<std::size_t> variants = {plan.variant};
    for (const plan_rule& rule : plan.rules) {
        variants.push_back(rule.variant);
        if (rule.optimum_variant)
            variants.push_back(*rule.optimum_variant);
    }
    return variants;
}

}  // namespace detail

/// The forward passes that measure_plan() takes.
[[nodiscard]] inline model_quality_plan plan_measured(const allocation_plan& plan, const quality_meter& meter)
{
    return meter.plan(detail::variants_to_measure(plan).size());
}

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
[[nodiscard]] inline allocation_plan measure_plan(const model& m, allocation_plan plan, quality_meter& meter, const progress_callback& progress = {})
{
    detail::measure_variants("measure_plan(model, plan, meter)", m, plan.study, detail::variants_to_measure(plan), meter, progress);
    return plan;
}

}  // namespace weightscope
