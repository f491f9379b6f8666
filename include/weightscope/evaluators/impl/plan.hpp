#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/evaluators/plan.hpp>
#include <weightscope/evaluators/step.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE planned<differences_options> plan_differences(any_evaluator& evaluator, differences_options options,
                                                                 const evaluation_budget& budget)
{
    constexpr auto caller = "plan_estimate(evaluator, differences_options)";
    evaluation_plan plan;
    const evaluation_options& how = options.evaluation;
    const auto batches = chosen_batches(evaluator, how, caller);
    const auto tensors = chosen_tensors(evaluator, how, caller);
    const step_result steps = steps_of(evaluator, batches, tensors, how.seed, caller);
    if (options.step == 0)
        options.step = options.method == difference_method::forward   ? steps.forward
                       : options.method == difference_method::central ? steps.central
                                                                      : steps.second;
    if (options.noise == 0)
        options.noise = steps.noise.sigma;
    plan.step = options.step;
    plan.noise = options.noise;
    plan.seconds_per_loss = median_seconds([&] { (void)batch_losses(evaluator, batches); });

    if (options.positions.empty())
        options.positions = all_positions(evaluator, tensors);
    const bool both = options.method != difference_method::forward;
    const double rounds = both ? 2 : 1, per_round = static_cast<double>(batches.size());
    const std::size_t affordable_weights = affordable(budget, options.positions.size(), rounds * per_round, rounds * plan.seconds_per_loss,
                                                      per_round, plan.seconds_per_loss);
    if (affordable_weights == 0) {
        plan.refusal = "the budget does not buy a single weight; raise it, or choose fewer batches";
    } else if (affordable_weights < options.positions.size()) {
        std::vector<weight_position> sample;
        for (const std::size_t i : random_sample(options.positions.size(), affordable_weights, how.seed))
            sample.push_back(options.positions[i]);
        options.positions = std::move(sample);
    }
    const std::size_t weights = affordable_weights;
    plan.counts.losses = ((both ? 2 : 1) * weights + 1) * batches.size();
    plan.seconds = (rounds * static_cast<double>(weights) + 1) * plan.seconds_per_loss;
    plan.memory_bytes = static_cast<double>(weights) * (sizeof(weight_derivatives) + sizeof(weight_position) + 4 * sizeof(double));
    const double h = options.step;
    const double error = options.method == difference_method::forward ? std::sqrt(2.0) * plan.noise / h + steps.curvature * h / 2
                         : options.method == difference_method::central ? plan.noise / (std::sqrt(2.0) * h)
                                                                        : std::sqrt(6.0) * plan.noise / (h * h);
    const double value = options.method == difference_method::curvature ? steps.curvature : steps.slope;
    plan.predicted_relative_error =
        options.method == difference_method::curvature && !steps.measured
            ? metric::missing("the curvature does not rise above the noise of the loss")
            : metric(error / value);
    if (options.method == difference_method::curvature && !steps.measured)
        plan.refusal = "the curvature of single weights does not rise above the noise of the loss; take estimate_hessian_trace() or "
                       "estimate_group_effects()";
    refuse_if_hopeless(plan, "take estimate_group_effects(), or a model that computes in float32");
    return {std::move(options), plan};
}

// Both estimates by probes: `pilot` runs a few of them and returns their relative standard error.
template <class Options>
planned<Options> plan_probes(any_evaluator& evaluator, Options options, const evaluation_budget& budget, curvature_method method,
                             const std::function<double(Options)>& pilot, const char* caller)
{
    evaluation_plan plan;
    const evaluation_options& how = options.evaluation;
    const auto batches = chosen_batches(evaluator, how, caller);
    const auto tensors = chosen_tensors(evaluator, how, caller);
    const double batch_count = static_cast<double>(batches.size()), elements = elements_of(evaluator, tensors);
    plan.seconds_per_loss = median_seconds([&] { (void)batch_losses(evaluator, batches); });
    double calls = 6, seconds = 6 * plan.seconds_per_loss, calls_before = 1;  // Hessian-vector products are not timed
    if (method == curvature_method::gradient_differences) {
        const tensor_slots slots(evaluator, tensors);
        plan.seconds_per_gradient = median_seconds([&] { (void)gradient_of(evaluator, batches, tensors, slots, caller); });
        calls = 6;
        seconds = 2 * plan.seconds_per_gradient;
        calls_before = 3;
    } else if (method == curvature_method::forward) {
        calls = 2 * static_cast<double>(tensors.size());
        seconds = calls * plan.seconds_per_loss;
    }
    constexpr std::size_t pilot_probes = 4;
    Options trial = options;
    trial.max_probes = pilot_probes;
    trial.tolerance = 0;
    trial.evaluation.resume.clear();
    trial.evaluation.progress = {};
    const double trial_error = pilot(trial);

    const double seconds_before = plan.seconds_per_gradient > 0 ? plan.seconds_per_gradient : plan.seconds_per_loss;
    const std::size_t probes = affordable(budget, options.max_probes, calls * batch_count, seconds, calls_before * batch_count, seconds_before);
    if (probes < probe_block && probes < options.max_probes)
        plan.refusal = fmt::format("the budget buys {} probes, and fewer than {} say nothing about their own error; raise it, or choose fewer "
                                   "batches or tensors",
                                   probes, probe_block);
    options.max_probes = std::max<std::size_t>(probes, 2);
    const std::size_t k = options.max_probes;
    if (method == curvature_method::hessian_vector)
        plan.counts = {.losses = batches.size(), .hessian_vectors = k * batches.size()};
    else if (method == curvature_method::gradient_differences)
        plan.counts = {.gradients = (2 * k + 1) * batches.size()};
    else
        plan.counts = {.losses = (2 * k * tensors.size() + 1) * batches.size()};
    plan.seconds = seconds * static_cast<double>(k) + seconds_before;
    const double vectors = method == curvature_method::forward ? 0 : 4 * elements * sizeof(double);
    plan.memory_bytes = vectors + 2 * storage_bytes_of(evaluator, tensors);
    plan.predicted_relative_error = metric(trial_error * std::sqrt(static_cast<double>(pilot_probes) / static_cast<double>(k)));
    refuse_if_hopeless(plan, "take more probes, or estimate_group_effects() for the groups that matter");
    return {std::move(options), plan};
}

WEIGHTSCOPE_INLINE planned<hessian_trace_options> plan_trace(any_evaluator& evaluator, hessian_trace_options options, const evaluation_budget& budget)
{
    constexpr auto caller = "plan_estimate(evaluator, hessian_trace_options)";
    const curvature_method method = best_method(evaluator, options.method, true, caller);
    options.method = method;
    if (method == curvature_method::forward && options.step == 0) {
        const auto batches = chosen_batches(evaluator, options.evaluation, caller);
        const auto tensors = chosen_tensors(evaluator, options.evaluation, caller);
        options.step = std::max(steps_of(evaluator, batches, tensors, options.evaluation.seed, caller).second / 4, 1e-3);
    }
    auto result = plan_probes<hessian_trace_options>(
        evaluator, options, budget, method,
        [&](const hessian_trace_options& trial) {
            const trace_estimate total = hessian_trace(evaluator, trial, caller).total;
            return total.standard_error / std::fabs(total.value);
        },
        caller);
    result.plan.step = options.step;
    return result;
}

WEIGHTSCOPE_INLINE planned<hessian_diagonal_options> plan_diagonal(any_evaluator& evaluator, hessian_diagonal_options options,
                                                                   const evaluation_budget& budget)
{
    constexpr auto caller = "plan_estimate(evaluator, hessian_diagonal_options)";
    const curvature_method method = best_method(evaluator, options.method, false, caller);
    options.method = method;
    auto result = plan_probes<hessian_diagonal_options>(
        evaluator, options, budget, method,
        [&](const hessian_diagonal_options& trial) {
            double errors = 0, values = 0;
            for (const tensor_diagonal& tensor : hessian_diagonal(evaluator, trial, caller).tensors)
                for (std::size_t i = 0; i < tensor.values.size(); ++i) {
                    errors += tensor.standard_errors[i] * tensor.standard_errors[i];
                    values += tensor.values[i] * tensor.values[i];
                }
            return std::sqrt(errors / std::max(values - errors, errors * 1e-12));  // the errors are in the squares of the values too
        },
        caller);
    result.plan.memory_bytes += 2 * elements_of(evaluator, chosen_tensors(evaluator, options.evaluation, caller)) * sizeof(double);
    return result;
}

}  // namespace weightscope::detail
