#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/scorers/bit_ranking_plan.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search_job.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_ranking_plan plan_rank_bits(any_evaluator& evaluator, std::span<const bit_candidate> candidates,
                                                   const rank_bits_options& options, const evaluation_budget& budget, const model* stored,
                                                   const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const bit_search_job job(evaluator, candidates, options, stored, caller);
    const std::size_t batches = job.gauge.batches().size(), figures = evaluator.metrics().empty() ? 0 : batches;
    const evaluation_counts each = job.gauge.cost();
    bit_ranking_plan plan{.at_most = options.search == bit_search::progressive};
    evaluation_plan& cost = plan.evaluation;
    cost.seconds_per_loss = median_seconds([&] { (void)job.gauge.look(evaluator); });
    const std::size_t calls = each.losses + each.measures + each.outputs, before_all = batches + figures + 2 * each.outputs;
    const std::size_t looks = affordable(budget, job.looks_for(job.eligible_among(job.candidates.size())), static_cast<double>(calls), cost.seconds_per_loss,
                                         static_cast<double>(before_all), cost.seconds_per_loss);
    std::size_t kept = 0;
    for (std::size_t low = 0, high = job.candidates.size(); low <= high;) {  // the most candidates that it is enough for
        const std::size_t middle = low + (high - low) / 2;
        if (job.looks_for(job.eligible_among(middle)) <= looks) {
            kept = middle;
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    plan.evaluations = job.looks_for(job.eligible_among(kept));
    for (const bit_place& place : job.places)
        plan.flips += place.candidate < kept ? 1 : 0;
    // so that the first of the whole list make this shard's
    plan.candidates = kept == job.candidates.size() ? candidates.size() : std::min(candidates.size(), job.options.shard + kept * job.options.shard_count);
    if (kept == 0 || (plan.evaluations == 0 && job.eligible_among(job.candidates.size()) > 0))
        cost.refusal = "the budget does not buy the flips of a single candidate; raise it, or take fewer batches or bits";
    cost.counts.losses = plan.evaluations * each.losses + batches;
    cost.counts.measures = plan.evaluations * each.measures + figures;
    cost.counts.outputs = (plan.evaluations + 2) * each.outputs;  // once as they are, and once before the search
    cost.seconds = (static_cast<double>(plan.evaluations) + 1) * cost.seconds_per_loss;
    cost.predicted_relative_error = metric::missing("the figures are exact");
    cost.spent = evaluator.counts() - before;
    return plan;
}

}  // namespace weightscope::detail
