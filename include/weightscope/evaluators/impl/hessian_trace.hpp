#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/step.hpp>
#include <weightscope/evaluators/student_t.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope::detail {

// (L(w + h v) - 2 L(w) + L(w - h v)) / h² for v on one tensor, with the distances that were really stored.
class forward_prober
{
public:
    forward_prober(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                   const hessian_trace_options& options, std::string_view caller)
        : batches_(batches), tensors_(tensors), seed_(options.evaluation.seed)
    {
        step_result steps;
        if (options.step == 0)
            steps = steps_of(evaluator, batches, tensors, seed_, caller);
        base_ = batch_losses(evaluator, batches);
        require_usable(total(base_), caller);
        count_ = total(base_).count;
        const double sigma = std::max(steps.noise.sigma, std::fabs(total(base_).mean()) * 0x1p-53);
        for (const std::size_t t : tensors) {
            const weight_info& info = evaluator.weights()[t];
            const double rms = root_mean_square(to_values(info.dtype, stored_bytes(evaluator, t)));
            // the signal grows with the number of weights that move
            const double rule = std::pow(12 * std::sqrt(6.0) * sigma / (steps.curvature * static_cast<double>(info.size())), 0.25);
            const double chosen = steps.measured ? std::clamp(rule, 1e-3, largest_step) : 2e-2;
            step_.push_back(std::max(options.step > 0 ? options.step : chosen, 4 * relative_place(info.dtype)) * (rms > 0 ? rms : 1));
            noise_.push_back(std::sqrt(6.0) * sigma / (step_.back() * step_.back()));
        }
    }

    double probe(any_evaluator& evaluator, std::size_t slot, std::size_t probe) const
    {
        const std::size_t tensor = tensors_[slot];
        const weight_info& info = evaluator.weights()[tensor];
        const std::vector<std::byte> stored = stored_bytes(evaluator, tensor);
        const std::vector<double> weights = to_values(info.dtype, stored), signs = signs_for(info, seed_, probe);
        double change = 0, squares = 0;
        std::size_t moved_count = 0;
        for (const double side : {1.0, -1.0}) {
            const counter_random rounding(seed_, "rounding", info.name);
            const std::vector<std::byte> moved = stepped(info.dtype, stored, signs, side * step_[slot], rounding, probe);
            const std::vector<double> values = to_values(info.dtype, moved);
            for (std::size_t i = 0; i < values.size(); ++i)
                if (std::isfinite(weights[i])) {
                    squares += (values[i] - weights[i]) * (values[i] - weights[i]);
                    ++moved_count;
                }
            weight_patch patch(evaluator);
            patch.write(tensor, 0, moved);
            change += mean_change(batch_losses(evaluator, batches_), base_, count_);
            patch.restore();
        }
        return change / (squares / static_cast<double>(moved_count));
    }

    // What the noise of the loss makes of a mean over that many probes.
    double floor(std::size_t slot, std::size_t probes) const { return 3 * noise_[slot] / std::sqrt(static_cast<double>(probes)); }

private:
    std::vector<std::size_t> batches_, tensors_;
    std::uint64_t seed_;
    std::vector<loss_value> base_;
    std::vector<double> step_, noise_;
    double count_ = 0;
};

struct trace_sums
{
    std::vector<running_mean> tensors;
    running_mean total;
};

inline trace_estimate make_trace(const running_mean& sum, std::size_t probes, double floor, std::size_t tensor)
{
    const double error = sum.standard_error(probes);
    return {.tensor = tensor, .value = sum.mean, .standard_error = error, .half_width = student_t_quantile(0.975, probes - 1) * error + floor};
}

WEIGHTSCOPE_INLINE hessian_trace_result hessian_trace(any_evaluator& evaluator, const hessian_trace_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const evaluation_options& how = options.evaluation;
    require(options.max_probes >= 2, "{}: options.max_probes is {}, expected 2 or more", caller, options.max_probes);
    require(options.tolerance >= 0, "{}: options.tolerance is {}, expected 0 or more", caller, options.tolerance);
    require(options.step >= 0, "{}: options.step is {}, expected 0 or more", caller, options.step);
    const auto batches = chosen_batches(evaluator, how, caller);
    const auto tensors = chosen_tensors(evaluator, how, caller);
    hessian_trace_result result{.method = best_method(evaluator, options.method, true, caller)};
    const bool forward = result.method == curvature_method::forward;
    std::unique_ptr<const forward_prober> losses;
    std::unique_ptr<const hessian_prober> products;
    if (forward)
        losses = std::make_unique<forward_prober>(evaluator, batches, tensors, options, caller);
    else
        products = std::make_unique<hessian_prober>(evaluator, batches, tensors, how.seed, result.method, options.step, caller);

    // one item is a probe of all tensors, or, with losses only, of one
    const std::size_t per_probe = forward ? tensors.size() : 1, width = forward ? 1 : tensors.size();
    task_fingerprint print = fingerprint_of_task("Hessian trace", evaluator, batches, tensors, how.seed);
    print.add(static_cast<std::uint64_t>(result.method));
    print.add(options.step);
    evaluator_pool pool(evaluator);
    item_runner runner(pool, how, print, width, options.max_probes * per_probe);
    const auto work = [&](any_evaluator& e, std::size_t item, std::span<double> out) {
        if (forward) {
            out[0] = losses->probe(e, item % per_probe, item / per_probe);
            return;
        }
        const model_vector product = products->product(e, item);
        for (std::size_t t = 0; t < product.size(); ++t) {
            double sum = 0;
            for (const double x : product[t])
                sum += x;
            out[t] = sum;
        }
    };
    const auto name = [&](std::size_t item) { return forward ? evaluator.weights()[tensors[item % per_probe]].name : std::string("Hessian trace"); };

    trace_sums sums{.tensors = std::vector<running_mean>(tensors.size()), .total = {}};
    while (result.probes < options.max_probes && !result.converged) {
        const std::size_t until = std::min(result.probes + probe_block, options.max_probes);
        runner.run_until(until * per_probe, work, name);
        for (; result.probes < until; ++result.probes) {
            double sum = 0;
            for (std::size_t t = 0; t < tensors.size(); ++t) {
                const double x = forward ? runner.numbers(result.probes * per_probe + t)[0] : runner.numbers(result.probes)[t];
                sums.tensors[t].add(x, result.probes + 1);
                sum += x;
            }
            sums.total.add(sum, result.probes + 1);
        }
        result.converged = options.tolerance > 0 && result.probes >= probe_block
                        && sums.total.standard_error(result.probes) <= options.tolerance * std::fabs(sums.total.mean);
    }
    double floors = 0;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        const double elements = static_cast<double>(evaluator.weights()[tensors[t]].size());
        const double floor = forward ? losses->floor(t, result.probes)  // rounding errors of elements add up as their squares do
                                     : products->floor(t, std::fabs(sums.tensors[t].mean) / std::sqrt(elements)) * std::sqrt(elements);
        result.tensors.push_back(make_trace(sums.tensors[t], result.probes, floor, tensors[t]));
        floors += floor;
    }
    result.total = make_trace(sums.total, result.probes, floors, 0);
    runner.finish();
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
