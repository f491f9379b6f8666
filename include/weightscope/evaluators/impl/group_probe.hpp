#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/batch_error.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope::detail {

// What one change of a group's weights did to the mean loss, and by which share of themselves they were really scaled.
struct group_change
{
    double loss = 0, scale = 0;
    std::vector<loss_value> changes = {};  // of the loss, batch by batch
};

// What each batch adds to -w·g + w'H w / 2, from its changes at the scales of both.
inline std::vector<loss_value> predicted_changes(const group_change& up, const group_change& down)
{
    const double a = up.scale, b = down.scale, span = a - b;
    std::vector<loss_value> result;
    for (std::size_t i = 0; i < up.changes.size(); ++i)  // as fit_parabola() has gradient and curvature
        result.push_back({(b + 1) / (a * span) * up.changes[i].sum - (a + 1) / (b * span) * down.changes[i].sum, up.changes[i].count});
    return result;
}

// Multiplies the weights of a group by 1 + share, as far as their format lets it.
inline group_change scaled_group(any_evaluator& evaluator, const weight_group& group, double share, std::uint64_t seed,
                                 const std::vector<std::size_t>& batches, const std::vector<loss_value>& base, double count)
{
    double along = 0, squares = 0;
    weight_patch patch(evaluator);
    for (const weight_slice& slice : group.slices) {
        const std::size_t tensor = storage_of(evaluator, slice.tensor);
        const weight_info& info = evaluator.weights()[tensor];
        const std::size_t bytes = bits_of(info.dtype) / 8, extent = (slice.count - 1) * slice.stride + 1;
        std::vector<std::byte> stored(extent * bytes);  // with what lies between the elements, so that one read and one write do
        evaluator.read(tensor, slice.first * bytes, stored);
        const std::vector<double> weights = to_values(info.dtype, stored);
        std::vector<double> direction(extent);
        for (std::size_t i = 0; i < extent; i += slice.stride)
            direction[i] = std::isfinite(weights[i]) ? weights[i] : 0;
        std::vector<std::byte> moved = stored;
        if (share == -1) {
            for (std::size_t i = 0; i < extent; i += slice.stride)  // non-finite weights go too
                store_value(info.dtype, 0, moved.data() + i * bytes);
        } else {
            const counter_random rounding(seed, "rounding", info.name);
            const auto whole = stepped(info.dtype, stored, direction, share, rounding, slice.first);
            for (std::size_t i = 0; i < extent; i += slice.stride)
                std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(i * bytes), bytes, moved.begin() + static_cast<std::ptrdiff_t>(i * bytes));
        }
        const std::vector<double> values = to_values(info.dtype, moved);
        for (std::size_t i = 0; i < extent; i += slice.stride)
            if (std::isfinite(weights[i])) {
                along += weights[i] * (values[i] - weights[i]);
                squares += weights[i] * weights[i];
            }
        patch.write(tensor, slice.first * bytes, moved);
    }
    const std::vector<loss_value> changed = batch_losses(evaluator, batches);
    group_change result{.loss = mean_change(changed, base, count), .scale = squares > 0 ? along / squares : 0};
    for (std::size_t i = 0; i < changed.size(); ++i)
        result.changes.push_back({changed[i].sum - base[i].sum, base[i].count});
    patch.restore();
    return result;
}

WEIGHTSCOPE_INLINE group_probe_result group_probe(any_evaluator& evaluator, std::span<const weight_group> groups, const group_probe_options& options,
                                                  const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const evaluation_options& how = options.evaluation;
    require(options.step > 0 && options.step <= 1, "{}: options.step is {}, expected above 0 and at most 1", caller, options.step);
    require(options.ablate || options.scale, "{}: neither options.ablate nor options.scale is set, expected one of them", caller);
    for (const weight_group& group : groups)
        require_group(evaluator, group, caller);
    const auto batches = chosen_batches(evaluator, how, caller);
    const std::vector<loss_value> base = batch_losses(evaluator, batches);
    const loss_value unchanged = total(base);
    require_usable(unchanged, caller);

    task_fingerprint print = fingerprint_of_task("groups", evaluator, batches, {}, how.seed);
    print.add(options.step);
    print.add(std::uint64_t{options.ablate} * 2 + std::uint64_t{options.scale});
    print.add(unchanged.sum);
    for (const weight_group& group : groups)
        for (const weight_slice& slice : group.slices)
            for (const std::size_t number : {slice.tensor, slice.first, slice.count, slice.stride})
                print.add(std::uint64_t{number});
    evaluator_pool pool(evaluator);
    item_runner runner(pool, how, print, 7, groups.size());
    const auto work = [&](any_evaluator& e, std::size_t item, std::span<double> out) {
        std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
        const auto change = [&](double share) { return scaled_group(e, groups[item], share, how.seed, batches, base, unchanged.count); };
        if (options.ablate) {
            const group_change removed = change(-1);
            out[0] = removed.loss;
            out[5] = estimate_batch_error(removed.changes).value;
        }
        if (options.scale) {
            const group_change up = change(options.step), down = change(-options.step);
            out[1] = up.scale;
            out[2] = up.loss;
            out[3] = down.scale;
            out[4] = down.loss;
            out[6] = estimate_batch_error(predicted_changes(up, down)).value;
        }
    };
    runner.run_until(groups.size(), work, [&](std::size_t item) { return groups[item].name; });

    const double sigma = std::max(options.noise, std::fabs(unchanged.mean()) * 0x1p-53);
    group_probe_result result{.groups = {}, .loss = unchanged.mean()};
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const auto found = runner.numbers(i);
        weight_derivatives fit;
        fit_parabola(found[1], found[2], found[3], found[4], sigma, fit);
        if (found[1] == 0 && found[3] == 0)  // all weights of the group are 0
            fit = {};
        result.groups.push_back({.group = i,
                                 .removal = std::isfinite(found[0]) ? found[0] : std::numeric_limits<double>::quiet_NaN(),
                                 .first_order = fit.gradient,
                                 .first_order_error = fit.gradient_error,
                                 .second_order = fit.curvature,
                                 .second_order_error = fit.curvature_error,
                                 .removal_batch_error = found[5],
                                 .predicted_batch_error = found[6]});
    }
    runner.finish();
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
