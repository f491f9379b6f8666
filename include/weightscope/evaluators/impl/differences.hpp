#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/step.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void fit_parabola(double a, double at_a, double b, double at_b, double sigma, weight_derivatives& out)
{
    const double slope_a = at_a / a, slope_b = at_b / b, span = a - b;
    out.curvature = 2 * (slope_a - slope_b) / span;
    out.gradient = (a * slope_b - b * slope_a) / span;
    // as sums of the three losses, that of the unchanged model last
    const double g[] = {-b / (a * span), a / (b * span)}, c[] = {2 / (a * span), -2 / (b * span)};
    out.gradient_error = sigma * std::sqrt(g[0] * g[0] + g[1] * g[1] + (g[0] + g[1]) * (g[0] + g[1]));
    out.curvature_error = sigma * std::sqrt(c[0] * c[0] + c[1] * c[1] + (c[0] + c[1]) * (c[0] + c[1]));
}

WEIGHTSCOPE_INLINE std::pair<storage_step, storage_step> neighbours(dtype type, std::span<const std::byte> weight, double step)
{
    storage_step up = make_storage_step(type, weight, step), down = make_storage_step(type, weight, -step);
    if (up.distance == 0)
        up = make_storage_step(type, weight, 2 * down.distance);
    else if (down.distance == 0)
        down = make_storage_step(type, weight, 2 * up.distance);
    return {up, down};
}

WEIGHTSCOPE_INLINE std::vector<weight_position> all_positions(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    std::vector<weight_position> positions;
    for (const std::size_t t : tensors)
        for (std::size_t i = 0; i < evaluator.weights()[t].size(); ++i)
            positions.push_back({t, i});
    return positions;
}

WEIGHTSCOPE_INLINE differences_result differences(any_evaluator& evaluator, const differences_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const evaluation_options& how = options.evaluation;
    const auto batches = chosen_batches(evaluator, how, caller);
    auto tensors = chosen_tensors(evaluator, how, caller);
    require(options.step >= 0 && std::isfinite(options.step), "{}: options.step is {}, expected 0 or a positive number", caller, options.step);
    require(options.noise >= 0, "{}: options.noise is {}, expected 0 or a positive number", caller, options.noise);

    std::vector<weight_position> positions = options.positions;
    for (weight_position& p : positions) {
        require(p.tensor < evaluator.weights().size(), "{}: tensor {} is asked for, expected below {}", caller, p.tensor,
                evaluator.weights().size());
        const weight_info& info = evaluator.weights()[p.tensor];
        require(p.element < info.size(), "{}: element {} of tensor '{}' is asked for, which has {}", caller, p.element,
                printable(info.name), info.size());
        require(is_differentiable(info.dtype), "{}: tensor '{}' is {}, expected floating point", caller, printable(info.name),
                to_string(info.dtype));
        p.tensor = storage_of(evaluator, p.tensor);
    }
    if (positions.empty())
        positions = all_positions(evaluator, tensors);

    differences_result result{.step = options.step, .noise = options.noise};
    if (options.step == 0) {
        const step_result steps = steps_of(evaluator, batches, tensors, how.seed, caller);
        result.step = options.method == difference_method::forward   ? steps.forward
                      : options.method == difference_method::central ? steps.central
                                                                     : steps.second;
        if (options.noise == 0)
            result.noise = steps.noise.sigma;
    }
    std::map<std::size_t, double> rms;
    for (const weight_position& p : positions)
        if (!rms.contains(p.tensor))
            rms[p.tensor] = root_mean_square(to_values(evaluator.weights()[p.tensor].dtype, stored_bytes(evaluator, p.tensor)));

    const std::vector<loss_value> base = batch_losses(evaluator, batches);
    const loss_value unchanged = total(base);
    require_usable(unchanged, caller);
    result.loss = unchanged.mean();

    const bool both = options.method != difference_method::forward;
    task_fingerprint print = fingerprint_of_task("differences", evaluator, batches, tensors, how.seed);
    print.add(result.step);
    print.add(std::uint64_t{both});
    for (const weight_position& p : positions) {
        print.add(std::uint64_t{p.tensor});
        print.add(std::uint64_t{p.element});
    }
    const auto at = [&](any_evaluator& e, const weight_position& p, std::size_t bytes, const storage_step& step) {
        weight_patch patch(e);
        patch.write(p.tensor, p.element * bytes, step.stored());
        const double change = mean_change(batch_losses(e, batches), base, unchanged.count);
        patch.restore();
        return change;
    };
    evaluator_pool pool(evaluator);
    item_runner runner(pool, how, print, 4, positions.size());
    const auto work = [&](any_evaluator& e, std::size_t item, std::span<double> out) {
        const weight_position& p = positions[item];
        const weight_info& info = e.weights()[p.tensor];
        const std::size_t bytes = bits_of(info.dtype) / 8;
        std::array<std::byte, 8> stored{};
        const auto weight = std::span(stored).first(bytes);
        e.read(p.tensor, p.element * bytes, weight);
        const double value = stored_value(info.dtype, stored.data());
        if (!std::isfinite(value)) {
            std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
            return;
        }
        const auto [up, down] = neighbours(info.dtype, weight, absolute_step(result.step, value, rms.at(p.tensor), info.dtype));
        out[0] = up.distance;
        out[1] = at(e, p, bytes, up);
        out[2] = both ? down.distance : 0;
        out[3] = both ? at(e, p, bytes, down) : 0;
    };
    runner.run_until(positions.size(), work, [&](std::size_t item) { return evaluator.weights()[positions[item].tensor].name; });

    for (std::size_t i = 0; i < positions.size(); ++i) {
        const auto found = runner.numbers(i);
        weight_derivatives weight{.position = positions[i], .up = found[0], .down = found[2]};
        if (both) {
            fit_parabola(found[0], found[1], found[2], found[3], result.noise, weight);
        } else {
            weight.gradient = found[1] / found[0];
            weight.gradient_error = std::sqrt(2.0) * result.noise / std::fabs(found[0]);
            weight.curvature = weight.curvature_error = std::numeric_limits<double>::quiet_NaN();
        }
        if (!std::isfinite(weight.gradient)) {
            ++result.non_finite_count;
            weight.gradient = weight.gradient_error = weight.curvature = weight.curvature_error =
                std::numeric_limits<double>::quiet_NaN();
        }
        result.weights.push_back(weight);
    }
    runner.finish();
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
