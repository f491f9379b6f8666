#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search.hpp>
#include <weightscope/scorers/bit_trial_order.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void search_independent(bit_search_job& job, bit_search_runner& runner, bit_ranking& result)
{
    std::vector<std::size_t> active;
    for (std::size_t i = 0; i < job.places.size(); ++i)
        if (job.outcomes[i] == bit_trial_outcome::finite)
            active.push_back(i);
    std::vector<bit_trial> run;
    runner.run(active, job.after, 0, run);
    auto next = run.begin();
    for (std::size_t i = 0; i < job.places.size(); ++i)
        result.trials.push_back(job.outcomes[i] == bit_trial_outcome::finite ? std::move(*next++) : runner.trial_of(i, job.after, 0));
    rank_trials(result);
}

// What a greedy search knows after some steps.
struct greedy_state
{
    std::vector<bit_place> committed = {};
    std::vector<std::size_t> pending = {};  // in model order
    std::map<std::tuple<std::size_t, std::size_t, std::string>, std::size_t> flips_of_number = {};
    std::vector<double> reached = {};       // changes of the figures so far
    double current = 0;
};

// The flips that a step runs: those that are left, that their number may still have, and that give other finite values.
inline std::vector<std::size_t> active_flips(const bit_search_job& job, const greedy_state& state)
{
    std::vector<std::size_t> active;
    for (const std::size_t i : state.pending) {
        const bit_place& place = job.places[i];
        const auto flipped = state.flips_of_number.find(place.number());
        if (flipped != state.flips_of_number.end() && job.options.flips_per_weight > 0 && flipped->second >= job.options.flips_per_weight)
            continue;
        if (outcome_of_value(job.flipper.effect(place, state.committed)) == bit_trial_outcome::finite)
            active.push_back(i);
    }
    return active;
}

// The flips that are not run; a crash among them ends the search where crashes come first.
inline bool set_down_flips_without_run(const bit_search_job& job, const bit_search_runner& runner, const bit_trial_order& order, greedy_state& state,
                                       bit_ranking& result)
{
    std::vector<std::size_t> in_model_order(job.places.size());
    std::iota(in_model_order.begin(), in_model_order.end(), std::size_t{0});
    std::sort(in_model_order.begin(), in_model_order.end(), [&](std::size_t a, std::size_t b) { return job.places[a].order() < job.places[b].order(); });
    for (const std::size_t i : in_model_order) {
        if (job.outcomes[i] == bit_trial_outcome::finite) {
            state.pending.push_back(i);
            continue;
        }
        result.trials.push_back(runner.trial_of(i, job.after, 1));
        if (result.ranked.empty() && order.eligible(result.trials.back())) {
            result.ranked.push_back(ranked_from(result.trials.back(), 1, state.current));
            result.plan.push_back(result.trials.back().flip);
        }
    }
    return !result.ranked.empty();
}

inline void search_progressive(bit_search_job& job, bit_search_runner& runner, bit_ranking& result)
{
    const bit_trial_order order{job.up, job.options.crashes_first};
    greedy_state state{.committed = job.after, .reached = std::vector<double>(job.gauge.size(), 0.0), .current = result.start};
    for (const bit_place& flipped : job.after)
        ++state.flips_of_number[flipped.number()];
    result.plan = job.options.after;
    if (set_down_flips_without_run(job, runner, order, state, result))
        return;
    double best_gain = 0;
    std::size_t best_length = 0;
    const std::size_t steps = job.options.top_b > 0 ? job.options.top_b : job.places.size();
    for (std::size_t step = 1; step <= steps; ++step) {
        const std::vector<std::size_t> active = active_flips(job, state);
        std::vector<bit_trial> trials;
        runner.run(active, state.committed, step, trials);
        for (bit_trial& trial : trials)
            for (std::size_t m = 0; m < trial.deltas.size(); ++m)
                trial.deltas[m] -= state.reached[m];
        const std::vector<std::size_t> best = ordered_trials(trials, order);
        const std::size_t chosen = best.empty() ? active.size() : best.front();
        const bool goes_on = !best.empty() && (order.helps(trials[chosen]) || job.options.go_on);
        if (goes_on) {
            const bit_trial& trial = trials[chosen];
            result.ranked.push_back(ranked_from(trial, step, state.current));
            for (std::size_t m = 0; m < state.reached.size(); ++m)
                state.reached[m] += trial.deltas[m];
            const bit_place& place = job.places[active[chosen]];
            state.committed.push_back(place);
            std::erase(state.pending, active[chosen]);
            ++state.flips_of_number[place.number()];
            state.current = trial.values[0];
            const double gain = job.up ? state.reached[0] : -state.reached[0];
            if (is_crash(trial.outcome) || gain > best_gain) {
                best_gain = gain;
                best_length = result.ranked.size();
                result.best = trial.outcome == bit_trial_outcome::finite ? trial.values[0] : result.best;
            }
        }
        const bool crashed = goes_on && is_crash(trials[chosen].outcome);
        for (bit_trial& trial : trials)
            result.trials.push_back(std::move(trial));
        if (!goes_on || crashed)
            break;
    }
    for (std::size_t i = 0; i < best_length; ++i)
        result.plan.push_back(result.ranked[i].flip);
}

WEIGHTSCOPE_INLINE bit_ranking rank_bits(any_evaluator& evaluator, std::span<const bit_candidate> candidates, const rank_bits_options& options,
                                         const model* stored, const char* caller)
{
    const auto start = std::chrono::steady_clock::now();
    const evaluation_counts before = evaluator.counts();
    bit_search_job job(evaluator, candidates, options, stored, caller);
    bit_ranking result{.metrics = job.gauge.names(), .maximized = job.up, .options = job.options};
    result.options.bits = job.set.name;
    result.options.evaluation.progress = {};
    result.options.evaluation.resume.clear();
    result.candidate_count = job.candidates.size();
    result.all_candidate_count = candidates.size();
    result.fingerprint = bit_model_fingerprint(evaluator, job.gauge.batches());
    bit_search_runner runner(job, result, caller);
    if (options.search == bit_search::independent)
        search_independent(job, runner, result);
    else
        search_progressive(job, runner, result);
    runner.finish();
    for (const bit_trial& trial : result.trials)
        ++result.outcomes[static_cast<std::size_t>(trial.outcome)];
    result.counts = evaluator.counts() - before;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope::detail
