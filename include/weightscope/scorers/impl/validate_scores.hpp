#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/scorers/rank_correlation.hpp>
#include <weightscope/scorers/removable.hpp>
#include <weightscope/scorers/validate_scores.hpp>

namespace weightscope::detail {

// Share of the first `count` by one order that is among the first `count` by the other; order: of numbers, descending or ascending.
inline metric decile_overlap(std::span<const double> x, std::span<const double> y, bool highest)
{
    if (x.size() < 10)
        return metric::missing("fewer than ten items");
    const std::size_t count = (x.size() + 5) / 10;
    const auto first_by = [&](std::span<const double> values) {
        std::vector<std::size_t> order(values.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return highest ? values[a] > values[b] : values[a] < values[b]; });
        order.resize(count);
        std::sort(order.begin(), order.end());
        return order;
    };
    const std::vector<std::size_t> a = first_by(x), b = first_by(y);
    std::vector<std::size_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    return static_cast<double>(both.size()) / static_cast<double>(count);
}

WEIGHTSCOPE_INLINE metric slope_through_origin(std::span<const double> x, std::span<const double> y)
{
    double product = 0, squares = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        product += x[i] * y[i];
        squares += x[i] * x[i];
    }
    return squares > 0 ? metric(product / squares) : metric::missing("all predictions are 0");
}

WEIGHTSCOPE_INLINE metric sign_agreement(std::span<const double> predicted, std::span<const double> measured)
{
    const auto [low, high] = std::minmax_element(predicted.begin(), predicted.end());
    if (predicted.empty() || !(*low < 0 && *high > 0))
        return metric::missing("all predictions have one sign");
    std::size_t same = 0, counted = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        if (predicted[i] == 0 || measured[i] == 0)
            continue;
        ++counted;
        same += std::signbit(predicted[i]) == std::signbit(measured[i]) ? 1 : 0;
    }
    return counted > 0 ? metric(static_cast<double>(same) / static_cast<double>(counted)) : metric::missing("no change differs from 0");
}

// The figures that follow from the sample.
inline void compare_with_measured(validation_result& result, const validate_scores_options& options)
{
    std::vector<double> predicted, measured, size_predicted, size_measured;
    for (const validated_item& item : result.items) {
        if (!std::isfinite(item.measured)) {
            ++result.non_finite_count;
            continue;
        }
        predicted.push_back(item.predicted);
        measured.push_back(item.measured);
        size_predicted.push_back(std::fabs(item.predicted));
        size_measured.push_back(std::fabs(item.measured));
        result.below_noise_count += std::fabs(item.measured) < 2 * std::sqrt(2.0) * result.noise ? 1 : 0;
    }
    result.spearman = bootstrap(predicted, measured, options.resamples, options.seed, spearman);
    result.kendall = bootstrap(predicted, measured, options.resamples, options.seed, kendall);
    result.spearman_magnitude = bootstrap(size_predicted, size_measured, options.resamples, options.seed, spearman);
    result.calibration_slope = bootstrap(predicted, measured, options.resamples, options.seed, slope_through_origin);
    result.top_decile_overlap = decile_overlap(predicted, measured, true);
    result.bottom_decile_overlap = decile_overlap(predicted, measured, false);
    result.sign_agreement = sign_agreement(predicted, measured);
}

// The sample's items that score lowest, as one group. Weights that several of them share come once: zero stays zero.
inline weight_group joint_group(std::span<const removable> items, const std::vector<std::size_t>& sample, double fraction, std::vector<std::size_t>& members)
{
    members.resize(sample.size());
    std::iota(members.begin(), members.end(), std::size_t{0});
    std::stable_sort(members.begin(), members.end(), [&](std::size_t a, std::size_t b) { return items[sample[a]].predicted < items[sample[b]].predicted; });
    members.resize(static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sample.size()))));
    weight_group joint{.name = "all together", .slices = {}};
    for (const std::size_t m : members)
        joint.slices.insert(joint.slices.end(), items[sample[m]].group.slices.begin(), items[sample[m]].group.slices.end());
    return joint;
}

WEIGHTSCOPE_INLINE validation_result validate_scores(any_evaluator& evaluator, std::span<const removable> items,
                                                     const validate_scores_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    require(options.joint_fraction >= 0 && options.joint_fraction <= 1, "{}: options.joint_fraction is {}, expected 0 to 1", caller,
            options.joint_fraction);
    require(options.noise >= 0, "{}: options.noise is {}, expected 0 or more", caller, options.noise);
    const std::vector<std::size_t> sample = sample_removables(items, {.samples = options.samples, .seed = options.seed});
    require(sample.size() >= 2, "{}: {} items have a finite score, expected 2 or more", caller, sample.size());
    validation_result result{.noise = options.noise, .seed = options.seed};
    if (options.noise == 0) {
        const auto batches = chosen_batches(evaluator, options.evaluation, caller);
        result.noise = noise_of(evaluator, batches, chosen_tensors(evaluator, options.evaluation, caller), options.seed, caller).sigma;
    }

    std::vector<weight_group> groups;
    for (const std::size_t i : sample)
        groups.push_back(items[i].group);
    std::vector<std::size_t> members;
    if (options.joint_fraction > 0)
        groups.push_back(joint_group(items, sample, options.joint_fraction, members));
    group_probe_options probe{.ablate = true, .scale = false, .noise = result.noise, .evaluation = options.evaluation};
    probe.evaluation.seed = options.seed;
    const group_probe_result effects = group_probe(evaluator, groups, probe, caller);
    result.loss = effects.loss;
    for (std::size_t s = 0; s < sample.size(); ++s)
        result.items.push_back({.item = sample[s], .predicted = items[sample[s]].predicted, .measured = effects.groups[s].removal});
    compare_with_measured(result, options);

    result.joint_count = members.size();
    result.joint_change = result.joint_sum = result.interaction_gap = metric::missing("not asked for");
    if (!members.empty()) {
        double sum = 0;
        for (const std::size_t m : members)
            sum += effects.groups[m].removal;
        result.joint_change = effects.groups.back().removal;
        result.joint_sum = sum;
        result.interaction_gap = effects.groups.back().removal - sum;
    }
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
