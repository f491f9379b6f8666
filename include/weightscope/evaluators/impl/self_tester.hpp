#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/self_tester.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE bool self_test_result::passed() const
{
    return std::all_of(checks.begin(), checks.end(), [](const self_test_check& check) { return check.passed; });
}

namespace detail {

WEIGHTSCOPE_INLINE void self_tester::add(std::string name, bool passed, double value, std::string text)
{
    result.checks.push_back({std::move(name), passed, value, std::move(text)});
}

WEIGHTSCOPE_INLINE void self_tester::check_repeatable()
{
    const double spread = result.noise.repeat_spread, relative = spread / std::max(std::fabs(result.loss), 1e-300);
    add("repeatable", relative <= 1e-3, relative,
        spread == 0 ? fmt::format("the loss of the unchanged model is the same each time; noise of its evaluation {:.2g}", result.noise.sigma)
        : relative <= 1e-3
            ? fmt::format("evaluations of the unchanged model differ by {:.2g} of the loss", relative)
            : fmt::format("evaluations of the unchanged model differ by {:.2g} of the loss; switch dropout and other randomness off",
                          relative));
}

WEIGHTSCOPE_INLINE void self_tester::check_order()
{
    std::vector<loss_value> reversed(batches.size());
    for (std::size_t i = batches.size(); i-- > 0;)
        reversed[i] = evaluator.loss(batches[i]);
    double worst = 0;
    for (std::size_t i = 0; i < batches.size(); ++i)
        worst = std::max(worst, std::fabs(reversed[i].sum - base[i].sum) / std::max(std::fabs(base[i].sum), 1e-300));
    const bool passed = worst * std::fabs(result.loss) <= std::max(10 * result.noise.sigma, 2 * result.noise.repeat_spread);
    add("independent of order", passed, worst,
        passed ? "batches have the same losses in reverse order"
               : fmt::format("a batch's loss changes by {:.2g} of itself when the batches come in reverse order; clear what one leaves for "
                             "the next, such as a cache",
                             worst));
}

WEIGHTSCOPE_INLINE void self_tester::check_round_trip()
{
    std::size_t wrong = 0;
    std::string which;
    for (const std::size_t t : tensors) {
        const weight_info& info = evaluator.weights()[t];
        const std::vector<std::byte> stored = stored_bytes(evaluator, t);
        const auto moved = stepped(info.dtype, stored, signs_for(info, seed, 0), 0.5, counter_random(seed, "round trip", info.name), 0);
        weight_patch patch(evaluator);
        patch.write(t, 0, moved);
        const bool kept = stored_bytes(evaluator, t) == moved;
        bool restored = true;
        try {
            patch.restore();
        } catch (const std::runtime_error&) {
            restored = false;
        }
        if (!kept || !restored || stored_bytes(evaluator, t) != stored) {
            ++wrong;
            which = printable(info.name);
        }
    }
    add("keeps what is written", wrong == 0, static_cast<double>(wrong),
        wrong == 0 ? fmt::format("all {} tensors give back the bytes written to them", tensors.size())
                   : fmt::format("{} of {} tensors do not give back the bytes written to them, '{}' among them; read() must copy out what "
                                 "write() took",
                                 wrong, tensors.size(), which));
}

WEIGHTSCOPE_INLINE void self_tester::check_reaction()
{
    std::size_t deaf = 0;
    std::string which;
    for (const std::size_t t : tensors) {
        const weight_info& info = evaluator.weights()[t];
        const std::vector<std::byte> stored = stored_bytes(evaluator, t);
        const double rms = root_mean_square(to_values(info.dtype, stored));
        bool reacted = false;
        for (const double step : {0.1, 1.0}) {
            weight_patch patch(evaluator);
            patch.write(t, 0, stepped(info.dtype, stored, signs_for(info, seed, 0), step * (rms > 0 ? rms : 1),
                                      counter_random(seed, "reaction", info.name), 0));
            const std::vector<loss_value> changed = batch_losses(evaluator, batches);
            for (std::size_t i = 0; i < changed.size(); ++i)
                reacted = reacted || !(changed[i].sum == base[i].sum);
            patch.restore();
            if (reacted)
                break;
        }
        if (!reacted) {
            ++deaf;
            which = printable(info.name);
        }
    }
    add("reacts to writes", deaf == 0, static_cast<double>(deaf),
        deaf == 0 ? fmt::format("the loss reacts to changes of all {} tensors", tensors.size())
                  : fmt::format("the loss does not react to changes of {} of {} tensors, '{}' among them; keep the engine from packing or "
                                "folding weights, or leave these out",
                                deaf, tensors.size(), which));
}

WEIGHTSCOPE_INLINE double self_tester::directional_error(const mean_gradient& gradient, const std::vector<std::vector<double>>& directions,
                                                         std::size_t probe, double step)
{
    double expected = 0, found = 0;
    for (const double side : {1.0, -1.0}) {
        weight_patch patch(evaluator);
        for (std::size_t slot = 0; slot < tensors.size(); ++slot) {
            const weight_info& info = evaluator.weights()[tensors[slot]];
            const auto stored = stored_bytes(evaluator, tensors[slot]);
            const auto moved =
                stepped(info.dtype, stored, directions[slot], side * step, counter_random(seed, "rounding", info.name), probe);
            const auto before = to_values(info.dtype, stored), after = to_values(info.dtype, moved);
            for (std::size_t i = 0; i < after.size(); ++i)
                if (std::isfinite(before[i]))
                    expected += side * gradient.values[slot][i] * (after[i] - before[i]);
            patch.write(tensors[slot], 0, moved);
        }
        found += side * mean_change(batch_losses(evaluator, batches), base, count);
        patch.restore();
    }
    const double scale = std::max({std::fabs(expected), std::fabs(found), 10 * result.noise.sigma});
    return scale > 0 ? std::fabs(found - expected) / scale : 0;
}

WEIGHTSCOPE_INLINE void self_tester::check_gradient()
{
    if (!evaluator.has_gradient())
        return;
    const tensor_slots slots(evaluator, tensors);
    const mean_gradient gradient = gradient_of(evaluator, batches, tensors, slots, caller);
    double worst = std::fabs(gradient.loss.mean() - result.loss) / std::max(std::fabs(result.loss), 1e-300);
    bool passed = worst <= 1e-3;
    constexpr double tolerance = 0.05;
    for (const std::size_t probe : {std::size_t{0}, std::size_t{1}}) {
        // the direction of each tensor is half its gradient's and half random, so that the derivative does not vanish
        std::vector<std::vector<double>> directions;
        for (std::size_t slot = 0; slot < tensors.size(); ++slot) {
            const weight_info& info = evaluator.weights()[tensors[slot]];
            const double rms = root_mean_square(to_values(info.dtype, stored_bytes(evaluator, tensors[slot])));
            const double slope = root_mean_square(gradient.values[slot]);
            std::vector<double> direction = signs_for(info, seed, probe);
            for (std::size_t i = 0; i < direction.size(); ++i)
                direction[i] = (direction[i] + (slope > 0 ? gradient.values[slot][i] / slope : 0)) * (rms > 0 ? rms : 1);
            directions.push_back(std::move(direction));
        }
        // a shorter step where the loss is too curved for the first; where it is less than a place of the format, some weights
        // move and others do not
        double error = std::numeric_limits<double>::infinity();
        for (const double step : {2e-3, 2e-4, 2e-5})
            if (error > tolerance)
                error = std::min(error, directional_error(gradient, directions, probe, step));
        worst = std::max(worst, error);
        passed = passed && error <= tolerance;
    }
    add("gradient agrees with losses", passed, worst,
        passed ? fmt::format("gradient and differences of the loss agree to {:.2g}", worst)
               : fmt::format("gradient and differences of the loss differ by {:.2g}; the gradient must be that of loss(batch).sum, not of "
                             "a mean, over all of it",
                             worst));
}

}  // namespace detail

}  // namespace weightscope
