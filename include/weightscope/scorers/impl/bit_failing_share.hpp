#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_failing_share.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_population.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/bit_search.hpp>
#include <weightscope/scorers/bit_share.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_tensors.hpp>
#include <weightscope/scorers/removable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void count_stratum(failing_stratum& result, std::span<const bit_trial> trials, const failing_share_options& options, bool up,
                                      double z, const char* caller)
{
    result.failing = {.population = result.failing.population, .sample = trials.size()};
    result.crash_count = 0;
    double sum = 0;
    std::size_t rest = 0;
    for (const bit_trial& trial : trials) {
        const double change = trial.outcome == bit_trial_outcome::unchanged ? 0 : trial.deltas.empty() ? 0 : trial.deltas[0];
        const bool crash = is_crash(trial.outcome);
        result.crash_count += crash ? 1 : 0;
        const bool fails = crash || (up ? change : -change) > options.threshold;
        result.failing.hits += fails ? 1 : 0;
        if (!fails) {
            sum += change;
            ++rest;
        }
    }
    result.share = wilson_interval(result.failing, z, caller);
    result.mean_change = rest > 0       ? metric(sum / static_cast<double>(rest))
                         : trials.empty() ? metric::missing("nothing of it is in this part of the sample")
                                          : metric::missing("all flips of the sample fail");
}

WEIGHTSCOPE_INLINE void sum_strata(failing_share_result& result, double z, const char* caller)
{
    std::vector<counted_sample> failing, crashes;
    double sum = 0, weight = 0;
    for (const failing_stratum& s : result.strata) {
        if (s.failing.sample == 0)
            continue;
        failing.push_back(s.failing);
        crashes.push_back({.population = s.failing.population, .sample = s.failing.sample, .hits = s.crash_count});
        if (s.mean_change.exists()) {
            const double rest = static_cast<double>(s.failing.population) * static_cast<double>(s.failing.sample - s.failing.hits)
                              / static_cast<double>(s.failing.sample);
            sum += rest * s.mean_change.value;
            weight += rest;
        }
    }
    result.share = stratified_share(failing, z, caller);
    result.crash_share = stratified_share(crashes, z, caller);
    result.mean_change = weight > 0 ? metric(sum / weight) : metric::missing("all flips of the sample fail");
}

WEIGHTSCOPE_INLINE std::vector<bit_population> bit_populations(const any_evaluator& evaluator, const bit_sources& sources,
                                                               const failing_share_options& options, std::vector<std::string>& passed_over,
                                                               const char* caller)
{
    require(options.shard_count > 0 && options.shard < options.shard_count, "{}: options.shard is {} of {}, expected below the count", caller, options.shard,
            options.shard_count);
    bit_selection chosen;
    std::vector<bit_tensor> tensors =
        chosen_bit_tensors(sources, {.bits = options.bits, .allow_bias = true, .takes = options.takes, .parts = options.parts}, chosen, caller);
    static_cast<void>(match_bit_tensors(evaluator, tensors, chosen, caller));
    passed_over = std::move(chosen.passed_over);
    return bit_populations(tensors);
}

WEIGHTSCOPE_INLINE failing_share_plan plan_failing_share(any_evaluator& evaluator, const bit_sources& sources, const failing_share_options& options,
                                                         const evaluation_budget& budget, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    std::vector<std::string> ignored;
    failing_share_plan plan;
    for (const bit_population& p : bit_populations(evaluator, sources, options, ignored, caller))
        plan.population += p.size;
    const auto batches = chosen_batches(evaluator, options.evaluation, caller);
    const bit_gauge gauge(evaluator, batches, {options.metric}, caller);
    evaluation_plan& cost = plan.evaluation;
    cost.seconds_per_loss = median_seconds([&] { (void)gauge.look(evaluator); });
    const double others = evaluator.metrics().empty() ? 0 : static_cast<double>(batches.size());
    const std::size_t wanted = options.samples > 0 ? options.samples : failing_share_sample_size(plan.population, options.margin, options.confidence);
    const auto of_shard = [&](std::size_t samples) { return (samples + options.shard_count - 1 - options.shard) / options.shard_count; };
    const std::size_t mine = of_shard(std::min(wanted, plan.population));
    const evaluation_counts each = gauge.cost();
    const std::size_t run = std::min(mine, affordable(budget, mine, static_cast<double>(batches.size()), cost.seconds_per_loss,
                                                      static_cast<double>(batches.size() + 2 * each.outputs) + others, cost.seconds_per_loss));
    plan.samples = std::min({wanted, plan.population, run < mine ? run * options.shard_count : wanted});
    cost.counts.losses = run * each.losses + batches.size();
    cost.counts.measures = run * each.measures + static_cast<std::size_t>(others);
    cost.counts.outputs = each.outputs > 0 ? (run + 2) * each.outputs : 0;
    cost.seconds = (static_cast<double>(run) + 1) * cost.seconds_per_loss;
    cost.predicted_relative_error = metric::missing("the margin tells");
    if (plan.samples == 0) {
        cost.refusal = "the budget does not buy a single flip; raise it, or take fewer batches";
    } else if (plan.samples < plan.population) {  // of a share of one half
        const double z = share_quantile(options.confidence, caller), n = static_cast<double>(plan.samples), all = static_cast<double>(plan.population);
        plan.margin = z / 2 * std::sqrt((all - n) / (n * (all - 1)));
    }
    cost.spent = evaluator.counts() - before;
    return plan;
}

WEIGHTSCOPE_INLINE failing_share_result estimate_failing_share(any_evaluator& evaluator, const bit_sources& sources,
                                                               const failing_share_options& options, const model* stored, const char* caller)
{
    const auto start = std::chrono::steady_clock::now();
    const evaluation_counts before = evaluator.counts();
    const double z = share_quantile(options.confidence, caller);
    failing_share_result result{.options = options};
    const std::vector<bit_population> populations = bit_populations(evaluator, sources, options, result.passed_over, caller);
    std::vector<std::size_t> sizes;
    for (const bit_population& p : populations) {
        sizes.push_back(p.size);
        result.population += p.size;
    }
    const std::size_t wanted = options.samples > 0 ? options.samples : failing_share_sample_size(result.population, options.margin, options.confidence);
    const std::vector<std::size_t> shares = shares_of_strata(sizes, wanted);
    std::vector<bit_candidate> drawn;
    std::vector<unsigned> bits;
    for (std::size_t p = 0; p < populations.size(); ++p) {
        const std::vector<bit_candidate> some = draw_bits(populations[p], shares[p], options.evaluation.seed);
        drawn.insert(drawn.end(), some.begin(), some.end());
        bits.insert(bits.end(), some.size(), populations[p].bit);
    }

    rank_bits_options how{.bits = options.bits, .search = bit_search::independent, .metric = options.metric, .goal = options.goal, .top_b = 10,
                          .shard = options.shard, .shard_count = options.shard_count, .evaluation = options.evaluation};
    bit_search_job job(evaluator, drawn, how, stored, caller, bits);
    result.samples = job.candidates.size();
    bit_ranking& ranking = result.ranking;
    ranking = {.metrics = job.gauge.names(), .maximized = job.up, .options = how,
               .candidate_count = job.candidates.size(), .all_candidate_count = drawn.size()};
    ranking.options.bits = job.set.name;
    ranking.options.evaluation.progress = {};
    ranking.options.evaluation.resume.clear();
    result.options.evaluation = ranking.options.evaluation;
    ranking.fingerprint = bit_model_fingerprint(evaluator, job.gauge.batches());
    bit_search_runner runner(job, ranking, caller);
    search_independent(job, runner, ranking);
    runner.finish();

    std::span<const bit_trial> trials = ranking.trials;
    std::size_t drawn_before = 0;
    for (std::size_t p = 0; p < populations.size(); ++p) {
        drawn_before += shares[p];
        if (shares[p] == 0)
            continue;
        std::size_t mine = 0;  // trials stand in the order in which they were drawn
        while (mine < trials.size() && trials[mine].candidate < drawn_before)
            ++mine;
        failing_stratum& stratum = result.strata.emplace_back(
            failing_stratum{.kind = populations[p].kind, .bit = populations[p].bit,
                            .failing = {.population = populations[p].size}, .part = populations[p].part});
        count_stratum(stratum, trials.first(mine), options, job.up, z, caller);
        trials = trials.subspan(mine);
    }
    for (const bit_trial& trial : ranking.trials)
        ++ranking.outcomes[static_cast<std::size_t>(trial.outcome)];
    sum_strata(result, z, caller);
    ranking.counts = evaluator.counts() - before;
    ranking.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope::detail
