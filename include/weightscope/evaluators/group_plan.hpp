#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/evaluators/noise.hpp>

namespace weightscope {

/// Says what estimate_group_effects() with these groups and options will cost.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param groups     see estimate_group_effects()
/// @param options    see group_probe_options
/// @param budget     which groups to leave out is for the caller to say: if not all fit, plan.refusal tells how many would
/// @return           options to run, with the noise filled in, and the plan
/// @note   costs the losses of estimate_noise() and three more
template <class E>
[[nodiscard]] planned<group_probe_options> plan_group_effects(E& evaluator, std::span<const weight_group> groups,
                                                              const group_probe_options& options = {}, const evaluation_budget& budget = {})
{
    constexpr auto caller = "plan_group_effects(evaluator, groups, options)";
    auto held = detail::hold(evaluator);
    planned<group_probe_options> result{.options = options, .plan = {}};
    evaluation_plan& plan = result.plan;
    const auto batches = detail::chosen_batches(held, options.evaluation, caller);
    const auto tensors = detail::chosen_tensors(held, options.evaluation, caller);
    const double largest = detail::largest_group_bytes(held, groups, caller);
    if (options.noise == 0)
        result.options.noise = detail::noise_of(held, batches, tensors, options.evaluation.seed, caller).sigma;
    plan.noise = result.options.noise;
    plan.step = options.scale ? options.step : 0;
    plan.seconds_per_loss = detail::median_seconds([&] { (void)detail::batch_losses(held, batches); });

    const std::size_t per_group = (options.ablate ? 1 : 0) + (options.scale ? 2 : 0);
    plan.counts.losses = (per_group * groups.size() + 1) * batches.size();
    plan.seconds = static_cast<double>(per_group * groups.size() + 1) * plan.seconds_per_loss;
    plan.memory_bytes = 2 * largest + static_cast<double>(groups.size() * (sizeof(group_effect) + 5 * sizeof(double)));
    plan.predicted_relative_error = metric::missing("each group has its own, beside its values");
    const double batch_count = static_cast<double>(batches.size()), each = static_cast<double>(per_group);
    const std::size_t affordable = detail::affordable(budget, groups.size(), each * batch_count, each * plan.seconds_per_loss, batch_count,
                                                      plan.seconds_per_loss);
    if (affordable < groups.size())
        plan.refusal = "the budget buys " + std::to_string(affordable) + " of " + std::to_string(groups.size())
                     + " groups; choose among them, or fewer batches";
    plan.spent = held.counts();
    return result;
}

}  // namespace weightscope
