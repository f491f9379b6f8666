#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/scorers/ablation.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE group_importance_result score_by_probe(any_evaluator& evaluator, std::span<const weight_group> groups,
                                                          const ablation_options& options, bool ablate, const char* caller)
{
    const group_probe_result effects = group_probe(
        evaluator, groups,
        {.ablate = ablate, .scale = !ablate, .step = options.step, .noise = options.noise, .evaluation = options.evaluation}, caller);
    group_importance_result result{.method = ablate ? "ablation" : "probe",
                                   .formula = ablate ? "L(w = 0) - L(w)" : "-w·g + w'H w / 2, from L((1 ± h) w)",
                                   .loss = effects.loss,
                                   .counts = effects.counts};
    result.origin.source = "evaluator";
    result.origin.batches = chosen_batches(evaluator, options.evaluation, caller).size();
    result.origin.seed = options.evaluation.seed;
    const double sigma = std::max(options.noise, std::fabs(effects.loss) * 0x1p-53);
    for (const group_effect& effect : effects.groups) {
        result.scores.push_back(ablate ? effect.removal : effect.predicted_removal());
        result.batch_errors.push_back(ablate ? effect.removal_batch_error : effect.predicted_batch_error);
        result.standard_errors.push_back(ablate ? std::sqrt(2.0) * sigma : std::hypot(effect.first_order_error, effect.second_order_error / 2));
    }
    return result;
}

}  // namespace weightscope::detail
