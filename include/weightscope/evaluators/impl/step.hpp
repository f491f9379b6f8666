#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/evaluators/step.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE step_result steps_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                        std::uint64_t seed, std::string_view caller)
{
    const evaluation_counts before = evaluator.counts();
    step_result result;
    result.noise = noise_of(evaluator, batches, tensors, seed, caller);
    const std::vector<loss_value> base = batch_losses(evaluator, batches);
    const double count = total(base).count, sigma = result.noise.sigma;

    std::vector<double> curvatures, slopes;
    const std::size_t probed = std::min<std::size_t>(tensors.size(), 3);
    for (std::size_t p = 0; p < probed; ++p) {
        const std::size_t tensor = tensors[probed == 1 ? 0 : p * (tensors.size() - 1) / (probed - 1)];
        const weight_info& info = evaluator.weights()[tensor];
        const std::vector<std::byte> stored = stored_bytes(evaluator, tensor);
        std::vector<double> direction = to_values(info.dtype, stored);
        const double rms = root_mean_square(direction);
        const std::vector<double> signs = signs_for(info, seed, 0);
        for (std::size_t i = 0; i < direction.size(); ++i)
            direction[i] = signs[i] * std::max(std::fabs(direction[i]), rms);
        const counter_random rounding(seed, "rounding", info.name);
        double found[2] = {}, difference[2] = {}, rise = 0;
        for (int wide = 0; wide < 2; ++wide) {
            const double step = wide != 0 ? 8e-2 : 2e-2;
            for (const double side : {1.0, -1.0}) {
                weight_patch patch(evaluator);
                patch.write(tensor, 0, stepped(info.dtype, stored, direction, side * step, rounding, 0));
                const double change = mean_change(batch_losses(evaluator, batches), base, count);
                patch.restore();
                difference[wide] += change;
                rise += wide == 0 ? side * change : 0;
            }
            found[wide] = std::fabs(difference[wide]) / (step * step) / static_cast<double>(info.size());
        }
        slopes.push_back(std::fabs(rise) / (2 * 2e-2) / std::sqrt(static_cast<double>(info.size())));
        const auto clear = [&](int wide) { return std::isfinite(found[wide]) && std::fabs(difference[wide]) > 6 * sigma; };
        if (clear(0) && clear(1) && found[0] < 2 * found[1] && found[1] < 2 * found[0])
            curvatures.push_back(found[0]);
        else if (clear(1))
            curvatures.push_back(found[1]);
    }
    std::sort(slopes.begin(), slopes.end());
    result.slope = slopes[slopes.size() / 2];
    if (!curvatures.empty()) {
        std::sort(curvatures.begin(), curvatures.end());
        result.measured = true;
        result.curvature = curvatures[curvatures.size() / 2];
        // each balances the noise with the next term of the Taylor series; higher derivatives are taken to change the loss over the
        // scale of the weights themselves
        const double ratio = sigma / result.curvature;
        result.forward = std::min(1.68 * std::sqrt(ratio), largest_step);
        result.central = std::min(std::cbrt(3 / std::sqrt(2.0) * ratio), largest_step);
        result.second = std::min(std::pow(12 * std::sqrt(6.0) * ratio, 0.25), largest_step);
    }
    result.counts = evaluator.counts() - before;
    return result;
}

WEIGHTSCOPE_INLINE double absolute_step(double relative, double weight, double rms, dtype type)
{
    const double scale = std::max(std::fabs(weight), rms);
    return std::max(relative, 4 * relative_place(type)) * (scale > 0 ? scale : 1);
}

}  // namespace weightscope::detail
