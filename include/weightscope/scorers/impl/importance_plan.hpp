#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::size_t samples_of(const importance_evaluator& asked, const std::vector<std::size_t>& batches)
{
    std::size_t samples = 0;
    for (const std::size_t batch : batches)
        samples += asked.sample_count ? asked.sample_count(batch) : 0;
    return samples;
}

WEIGHTSCOPE_INLINE void require_possible(const importance_evaluator& asked, const importance_options& options, std::string_view caller)
{
    require(options.activations || options.gradients || options.fisher || options.hessian,
            "{}: options ask for nothing, expected activations, gradients, fisher or hessian", caller);
    require(!options.activations || static_cast<bool>(asked.observe),
            "{}: the evaluator has no observe(), which activations need; give it one, or set options.activations to false", caller);
    require(!options.gradients || options.fisher || asked.evaluator->has_gradient(),
            "{}: the evaluator has no loss_and_gradient(), which gradients need", caller);
    require(!options.fisher || asked.evaluator->has_sample_gradient() || asked.evaluator->has_gradient(),
            "{}: the evaluator has neither sample_gradient() nor loss_and_gradient(); expected one of them", caller);
}

WEIGHTSCOPE_INLINE importance_plan plan_importance(const importance_evaluator& asked, const importance_options& options)
{
    constexpr std::string_view caller = "plan_importance(evaluator, options)";
    require_possible(asked, options, caller);
    any_evaluator& evaluator = *asked.evaluator;
    const auto batches = chosen_batches(evaluator, options.evaluation, caller);
    const auto tensors = chosen_tensors(evaluator, options.evaluation, caller);
    const double weights = elements_of(evaluator, tensors), all = static_cast<double>(batches.size());
    const bool by_sample = options.fisher && evaluator.has_sample_gradient();
    importance_plan plan{.batches = batches.size()};
    plan.samples = samples_of(asked, batches);
    plan.observations = options.activations ? batches.size() : 0;
    evaluation_plan& cost = plan.evaluation;

    // one batch of each kind, as if all were like the first
    cost.seconds_per_loss = all * seconds_of([&] { (void)evaluator.loss(batches[0]); });
    cost.seconds = options.activations ? cost.seconds_per_loss : 0;
    double kept = 0, peak = 0, largest = 0;  // numbers for each weight; numbers at the worst moment; weights of the largest tensor
    for (const std::size_t t : tensors)
        largest = std::max(largest, static_cast<double>(evaluator.weights()[t].size()));
    gradient_sink nowhere([](std::size_t, std::size_t, std::span<const double>) {});
    if (evaluator.has_gradient() && (options.hessian || (options.gradients && !options.fisher) || (options.fisher && !by_sample)))
        cost.seconds_per_gradient = all * seconds_of([&] { (void)evaluator.loss_and_gradient(batches[0], nowhere); });
    if (options.fisher) {
        const double results = options.standard_errors ? 4 : 2;
        if (by_sample) {
            cost.counts.losses += batches.size();
            cost.counts.sample_gradients = plan.samples;
            cost.seconds += cost.seconds_per_loss + static_cast<double>(plan.samples) * seconds_of([&] { evaluator.sample_gradient(batches[0], 0, nowhere); });
        } else {
            cost.counts.gradients += batches.size();
            cost.seconds += cost.seconds_per_gradient;
        }
        // a sample's gradient, mean and spread of two numbers; results replace them tensor by tensor, one number after the other
        peak = std::max(5 * weights, 4 * weights + results / 2 * largest);
        kept = results;
    } else if (options.gradients) {
        cost.counts.gradients += batches.size();
        cost.seconds += cost.seconds_per_gradient;
        kept = 1;
        peak = weights;
    }
    double stored = 0;
    if (options.hessian) {
        hessian_diagonal_options curvature = options.curvature;
        curvature.evaluation = options.evaluation;
        const curvature_method method = best_method(evaluator, curvature.method, false, caller);
        const std::size_t k = curvature.max_probes;
        if (method == curvature_method::hessian_vector) {
            cost.counts.losses += batches.size();
            cost.counts.hessian_vectors = k * batches.size();
            cost.seconds += 6 * cost.seconds_per_loss * static_cast<double>(k);
        } else {
            cost.counts.gradients += (2 * k + 1) * batches.size();
            cost.seconds += static_cast<double>(2 * k + 1) * cost.seconds_per_gradient;
        }
        // mean and spread over probes, a product and its direction for each evaluator at work, and the results
        const double at_work = static_cast<double>(std::max<std::size_t>(options.evaluation.threads, 1));
        peak = std::max(peak, (kept + 4 + 2 * at_work) * weights);
        stored = 2 * storage_bytes_of(evaluator, tensors);
        kept += 2;
    }
    double columns = 0;
    for (const weight_info& info : evaluator.weights())
        columns += info.shape.size() >= 2 ? static_cast<double>(info.size()) / static_cast<double>(std::max<std::size_t>(info.shape[0], 1)) : 0;
    const double statistics = options.activations ? 2 * 4 * columns * sizeof(double) : 0;  // in the list and in the parts
    plan.kept_bytes = kept * weights * sizeof(double) + statistics;
    cost.memory_bytes = std::max(peak, kept * weights) * sizeof(double) + stored + statistics;
    cost.predicted_relative_error = metric::missing("each score has its own, beside its values");
    cost.spent = evaluator.counts();
    return plan;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string describe(const importance_plan& plan)
{
    std::string text = fmt::format("{} batches", plan.batches);
    if (plan.samples > 0)
        text += fmt::format(" of {} samples in all", plan.samples);
    const evaluation_counts& counts = plan.evaluation.counts;
    const auto add = [&](std::size_t count, std::string_view what) {
        if (count > 0)
            text += fmt::format(", {} {}", count, what);
    };
    add(plan.observations, "forwards for activations");
    add(counts.losses, "losses");
    add(counts.gradients, "gradients");
    add(counts.sample_gradients, "gradients of samples");
    add(counts.hessian_vectors, "Hessian-vector products");
    return text + fmt::format("; about {:.3g} s, {:.3g} MB of memory", plan.evaluation.seconds, plan.evaluation.memory_bytes / 1e6);
}

}  // namespace weightscope
