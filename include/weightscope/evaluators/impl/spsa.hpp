#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/spsa.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE double spsa_relative_error(std::size_t weights, std::size_t probes)
{
    return weights == 0 || probes == 0 ? 0 : std::sqrt(static_cast<double>(weights - 1) / static_cast<double>(probes));
}

namespace detail {

WEIGHTSCOPE_INLINE spsa_result spsa(any_evaluator& evaluator, const spsa_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const evaluation_options& how = options.evaluation;
    require(options.probes >= 2, "{}: options.probes is {}, expected 2 or more", caller, options.probes);
    require(options.step > 0, "{}: options.step is {}, expected above 0", caller, options.step);
    const auto batches = chosen_batches(evaluator, how, caller);
    spsa_result result{.tensors = chosen_tensors(evaluator, how, caller)};
    std::size_t elements = 0;
    double squares = 0, place = 0;
    for (const std::size_t t : result.tensors) {
        const weight_info& info = evaluator.weights()[t];
        const double rms = root_mean_square(to_values(info.dtype, stored_bytes(evaluator, t)));
        squares += rms * rms * static_cast<double>(info.size());
        elements += info.size();
        place = std::max(place, relative_place(info.dtype));
    }
    result.predicted_relative_error = spsa_relative_error(elements, options.probes);
    require(options.allow_noise || result.predicted_relative_error <= 1,
            "{}: {} probes give {} weights a relative error of {:.2g}: noise that would pass for a ranking; take estimate_group_effects(), "
            "estimate_differences() on fewer weights, at least {} probes, or set allow_noise",
            caller, options.probes, elements, result.predicted_relative_error, elements - 1);

    const double rms = std::sqrt(squares / static_cast<double>(elements));
    const double step = std::max(options.step, 2 * place) * (rms > 0 ? rms : 1);
    const std::vector<loss_value> base = batch_losses(evaluator, batches);
    require_usable(total(base), caller);
    std::vector<std::vector<running_mean>> sums;
    for (const std::size_t t : result.tensors)
        sums.emplace_back(evaluator.weights()[t].size());
    progress_reporter reporter(how.progress, options.probes, static_cast<double>(options.probes));
    for (std::size_t probe = 0; probe < options.probes; ++probe) {
        double difference = 0;
        for (const double side : {1.0, -1.0}) {
            weight_patch patch(evaluator);
            for (const std::size_t t : result.tensors) {
                const weight_info& info = evaluator.weights()[t];
                const counter_random rounding(how.seed, "rounding", info.name);
                patch.write(t, 0, stepped(info.dtype, stored_bytes(evaluator, t), signs_for(info, how.seed, probe), side * step, rounding, probe));
            }
            difference += side * mean_change(batch_losses(evaluator, batches), base, total(base).count);
            patch.restore();
        }
        for (std::size_t t = 0; t < sums.size(); ++t) {
            const std::vector<double> signs = signs_for(evaluator.weights()[result.tensors[t]], how.seed, probe);
            for (std::size_t i = 0; i < signs.size(); ++i)
                sums[t][i].add(difference / (2 * step) * signs[i], probe + 1);
        }
        reporter.finished("SPSA", 1);
    }
    for (const auto& tensor : sums) {
        result.gradients.emplace_back();
        result.standard_errors.emplace_back();
        for (const running_mean& sum : tensor) {
            result.gradients.back().push_back(sum.mean);
            result.standard_errors.back().push_back(sum.standard_error(options.probes));
        }
    }
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace detail

}  // namespace weightscope
