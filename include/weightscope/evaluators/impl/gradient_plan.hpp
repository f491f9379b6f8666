#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/gradient_plan.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/sample_gradients.hpp>
#include <weightscope/evaluators/spsa.hpp>

namespace weightscope::detail {

inline constexpr double losses_of_gradient = 3;  // what a gradient costs, as evaluation_budget counts

WEIGHTSCOPE_INLINE double relative_error_of(const std::vector<std::vector<running_mean>>& moments, std::size_t count)
{
    double errors = 0, values = 0;
    for (const std::vector<running_mean>& tensor : moments)
        for (const running_mean& x : tensor) {
            errors += x.standard_error(count) * x.standard_error(count);
            values += x.mean * x.mean;
        }
    return std::sqrt(errors / std::max(values - errors, errors * 1e-12));  // the errors are in the squares of the means too
}

// Some of the batches, drawn at random.
inline std::vector<std::size_t> drawn_batches(const std::vector<std::size_t>& batches, std::size_t count, std::uint64_t seed)
{
    std::vector<std::size_t> result;
    for (const std::size_t i : random_sample(batches.size(), count, seed))
        result.push_back(batches[i]);
    return result;
}

inline std::size_t largest_tensor_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    std::size_t largest = 0;
    for (const std::size_t t : tensors)
        largest = std::max(largest, evaluator.weights()[t].size());
    return largest;
}

WEIGHTSCOPE_INLINE planned<evaluation_options> plan_gradient(any_evaluator& evaluator, evaluation_options options, const evaluation_budget& budget)
{
    constexpr std::string_view caller = "plan_gradient(evaluator, options)";
    evaluation_plan plan;
    const auto batches = chosen_batches(evaluator, options, caller);
    const auto tensors = chosen_tensors(evaluator, options, caller);
    const gradient_sink nowhere([](std::size_t, std::size_t, std::span<const double>) {});
    const double each = median_seconds([&] { (void)evaluator.loss_and_gradient(batches[0], nowhere); });
    const std::size_t bought = affordable(budget, batches.size(), losses_of_gradient, each, 0, 0);
    plan.predicted_relative_error = metric::missing("it is exact for these batches");
    if (bought == 0) {
        plan.refusal = "the budget does not buy the gradient of one batch; raise it, or make smaller batches";
    } else if (bought < batches.size()) {
        options.batches = drawn_batches(batches, bought, options.seed);
        const std::size_t tried = std::min<std::size_t>(bought, 4);
        plan.predicted_relative_error = metric::missing("one batch says nothing of the others");
        if (tried > 1) {
            const tensor_slots slots(evaluator, tensors);
            sample_moments moments(evaluator, tensors, true);
            for (std::size_t i = 0; i < tried; ++i) {
                mean_gradient one = gradient_of(evaluator, {options.batches[i]}, tensors, slots, caller);
                moments.add(one.values);
            }
            const double left = 1 - static_cast<double>(bought) / static_cast<double>(batches.size());  // of a sample without repetition
            plan.predicted_relative_error =
                metric(relative_error_of(moments.gradients, tried) * std::sqrt(left * static_cast<double>(tried) / static_cast<double>(bought)));
        }
    }
    plan.counts.gradients = bought;
    plan.seconds = each * static_cast<double>(bought);
    plan.seconds_per_gradient = plan.seconds;
    plan.memory_bytes = elements_of(evaluator, tensors) * sizeof(double);
    refuse_if_hopeless(plan, "raise the budget: so few batches do not tell the gradient of all");
    return {std::move(options), plan};
}

WEIGHTSCOPE_INLINE planned<evaluation_options> plan_fisher(any_evaluator& evaluator, evaluation_options options, const evaluation_budget& budget)
{
    constexpr std::string_view caller = "plan_fisher(evaluator, options)";
    evaluation_plan plan;
    const auto batches = chosen_batches(evaluator, options, caller);
    const auto tensors = chosen_tensors(evaluator, options, caller);
    const bool by_sample = evaluator.has_sample_gradient();
    require(by_sample || evaluator.has_gradient(), "{}: the evaluator has neither sample_gradient() nor loss_and_gradient(); expected one of them",
            caller);
    if (const double items = by_sample ? 1 : evaluator.loss(batches[0]).count; items != 1) {
        plan.refusal = fmt::format("batch {} counts {} items and the evaluator has no sample_gradient(); the square of a batch's mean gradient is no "
                                   "Fisher information: give the evaluator sample_gradient(), or batches of one sample",
                                   batches[0], items);
        plan.predicted_relative_error = metric::missing("there are no gradients of samples");
        plan.spent = evaluator.counts();
        return {std::move(options), plan};
    }
    const auto samples_in = [&](const std::vector<std::size_t>& some) {
        std::size_t samples = 0;
        for (const std::size_t batch : some)
            samples += by_sample ? evaluator.sample_count(batch) : 1;
        return samples;
    };
    // a few samples, for the time of one and the spread of their squares
    const tensor_slots slots(evaluator, tensors);
    model_vector gradient = zeros_for(evaluator, tensors);
    const gradient_sink sink = sink_into(gradient, evaluator, slots, caller);
    sample_moments moments(evaluator, tensors, false);
    const std::size_t tried = std::min<std::size_t>(by_sample ? evaluator.sample_count(batches[0]) : batches.size(), 8);
    double seconds = 0;
    for (std::size_t i = 0; i < tried; ++i) {
        seconds += seconds_of([&] {
            if (by_sample)
                evaluator.sample_gradient(batches[0], i, sink);
            else
                (void)evaluator.loss_and_gradient(batches[i], sink);
        });
        moments.add(gradient);
    }
    const double each = seconds / static_cast<double>(std::max<std::size_t>(tried, 1)), all = static_cast<double>(samples_in(batches));
    std::vector<std::size_t> chosen = batches;
    const std::size_t bought = affordable(budget, static_cast<std::size_t>(all), losses_of_gradient, each, 0, 0);
    for (std::size_t k = batches.size(); samples_in(chosen) > bought && k > 0; chosen = drawn_batches(batches, k, options.seed))
        --k;
    const std::size_t samples = samples_in(chosen);
    if (samples == 0)
        plan.refusal = "the budget does not buy the samples of one batch; raise it, or make smaller batches";
    if (chosen.size() < batches.size())
        options.batches = chosen;
    (by_sample ? plan.counts.sample_gradients : plan.counts.gradients) = samples;
    plan.seconds = each * static_cast<double>(samples);
    plan.seconds_per_gradient = plan.seconds;
    const double weights = elements_of(evaluator, tensors), largest = static_cast<double>(largest_tensor_of(evaluator, tensors));
    plan.memory_bytes = std::max(3 * weights, 2 * weights + 2 * largest) * sizeof(double);
    plan.predicted_relative_error =
        tried < 2 || samples == 0
            ? metric::missing("one sample says nothing of the others")
            : metric(relative_error_of(moments.squares, tried) * std::sqrt(static_cast<double>(tried) / static_cast<double>(samples)));
    refuse_if_hopeless(plan, "take more samples");
    return {std::move(options), plan};
}

WEIGHTSCOPE_INLINE planned<spsa_options> plan_spsa(any_evaluator& evaluator, spsa_options options, const evaluation_budget& budget)
{
    constexpr std::string_view caller = "plan_estimate(evaluator, spsa_options)";
    evaluation_plan plan;
    const auto batches = chosen_batches(evaluator, options.evaluation, caller);
    const auto tensors = chosen_tensors(evaluator, options.evaluation, caller);
    const auto weights = static_cast<std::size_t>(elements_of(evaluator, tensors));
    plan.seconds_per_loss = median_seconds([&] { (void)batch_losses(evaluator, batches); });
    const double batch_count = static_cast<double>(batches.size());
    const std::size_t wanted = options.probes;
    options.probes = affordable(budget, wanted, 2 * batch_count, 2 * plan.seconds_per_loss, batch_count, plan.seconds_per_loss);
    plan.step = options.step;
    plan.predicted_relative_error = metric(spsa_relative_error(weights, options.probes));
    if (options.probes < 2)
        plan.refusal = fmt::format("the budget buys {} probes, expected 2 or more; raise it, or choose fewer batches", options.probes);
    else if (!options.allow_noise && plan.predicted_relative_error.value > 1)
        plan.refusal = fmt::format("{} probes give {} weights a relative error of {:.2g}: noise that would pass for a ranking; take "
                                   "estimate_group_effects(), estimate_differences() on fewer weights, at least {} probes, or set allow_noise",
                                   options.probes, weights, plan.predicted_relative_error.value, weights - 1);
    options.probes = std::max<std::size_t>(options.probes, 2);
    plan.counts.losses = (2 * options.probes + 1) * batches.size();
    plan.seconds = static_cast<double>(2 * options.probes + 1) * plan.seconds_per_loss;
    // mean and spread of each weight, which become values and errors, and the weights themselves before and after a step
    plan.memory_bytes = 4 * static_cast<double>(weights) * sizeof(double) + 2 * storage_bytes_of(evaluator, tensors);
    return {std::move(options), plan};
}

}  // namespace weightscope::detail
