#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_selection_job.hpp>
#include <weightscope/scorers/bit_selection_plan.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::size_t bit_sample_size(std::span<const std::size_t> sizes, const select_bits_options& options)
{
    std::size_t sum = 0;
    const std::size_t limit = detail::bit_sample_limit(options);
    for (const std::size_t size : sizes)
        sum += limit == 0 ? size : std::min(size, limit);
    return sum;
}

namespace detail {

WEIGHTSCOPE_INLINE planned<select_bits_options> plan_bit_selection(const bit_sources& sources, any_evaluator* evaluator, select_bits_options options,
                                                                   const importance_data& known, const evaluation_budget& budget, const char* caller)
{
    planned<select_bits_options> result{.options = options};
    evaluation_plan& plan = result.plan;
    plan.predicted_relative_error = metric::missing("a ranking has none");
    const evaluation_counts before = evaluator ? evaluator->counts() : evaluation_counts();
    bit_tally tally;
    bit_selection_job job = prepare_bit_selection(sources, evaluator, result.options, known, tally, caller);
    if (job.source == bit_gradients::evaluator) {
        const importance_plan cost = plan_importance(importance_evaluator{.evaluator = evaluator}, bit_importance_options(job));
        plan = cost.evaluation;
        plan.predicted_relative_error = metric::missing("a ranking has none");
        const double losses = static_cast<double>(plan.counts.losses) + 3.0 * static_cast<double>(plan.counts.gradients)
                            + 6.0 * static_cast<double>(plan.counts.hessian_vectors);
        if ((budget.losses > 0 && losses > static_cast<double>(budget.losses)) || (budget.seconds > 0 && plan.seconds > budget.seconds))
            plan.refusal = fmt::format("gradients cost as much as {:.0f} losses and take {:.3g} s, more than the budget; take fewer batches{}", losses,
                                       plan.seconds, options.curvature ? ", or leave out the second derivatives" : "");
    } else if (job.source == bit_gradients::differences) {
        const auto batches = chosen_batches(*evaluator, options.evaluation, caller);
        plan.seconds_per_loss = median_seconds([&] { (void)batch_losses(*evaluator, batches); });
        const std::size_t rounds = options.curvature ? 2 : 1;
        const std::size_t fit = affordable(budget, job.result.sampled_count, static_cast<double>(rounds * batches.size()),
                                           static_cast<double>(rounds) * plan.seconds_per_loss, static_cast<double>(batches.size()), plan.seconds_per_loss);
        std::size_t sampled = job.result.sampled_count;
        if (fit < sampled && options.per_tensor_k > 0) {  // fewer weights of each tensor
            result.options.sample_all_weights = false;
            std::size_t& oversample = result.options.oversample;
            std::size_t largest = 0;
            for (const auto& sample : job.samples)
                largest = std::max(largest, sample.size());
            const auto count_with = [&](std::size_t factor) {
                std::size_t count = 0;
                for (const auto& sample : job.samples)
                    count += std::min(sample.size(), factor * options.per_tensor_k);
                return count;
            };
            oversample = std::max<std::size_t>((largest + options.per_tensor_k - 1) / options.per_tensor_k, 1);
            while (oversample > 1 && count_with(oversample) > fit)
                --oversample;
            sampled = count_with(oversample);
        }
        if (fit < sampled)
            plan.refusal = fmt::format("{} weights need a gradient, and the budget buys {}; raise it, or take fewer tensors or batches", sampled, fit);
        plan.counts.losses = (rounds * sampled + 1) * batches.size();
        plan.seconds = (static_cast<double>(rounds * sampled) + 1) * plan.seconds_per_loss;
        plan.step = options.step;
        plan.memory_bytes = static_cast<double>(sampled) * (sizeof(weight_derivatives) + sizeof(weight_position) + 4 * sizeof(double));
    }
    if (evaluator)
        plan.spent = evaluator->counts() - before;
    return result;
}

}  // namespace detail

}  // namespace weightscope
