#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <tuple>
#include <vector>

#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// The order in which flips are taken: crashes first where they are wanted, then by how far the metric goes where it shall, then in model
// order.
struct bit_trial_order
{
    bool up = true;
    bool crashes_first = false;

    double gain(const bit_trial& trial) const { return up ? trial.deltas[0] : -trial.deltas[0]; }
    bool eligible(const bit_trial& trial) const
    {
        return trial.outcome == bit_trial_outcome::finite || (crashes_first && is_crash(trial.outcome));
    }
    bool helps(const bit_trial& trial) const { return trial.outcome != bit_trial_outcome::finite || gain(trial) > 0; }
    bool before(const bit_trial& a, const bit_trial& b) const
    {
        const bool crash_a = is_crash(a.outcome), crash_b = is_crash(b.outcome);
        if (crash_a != crash_b)
            return crash_a;
        if (!crash_a && gain(a) != gain(b))
            return gain(a) > gain(b);
        return in_model_order(a, b);
    }
    static bool in_model_order(const bit_trial& a, const bit_trial& b)
    {
        return std::tie(a.tensor, a.flip.flat, a.flip.part, a.flip.bit) < std::tie(b.tensor, b.flip.flat, b.flip.part, b.flip.bit);
    }
};

inline ranked_flip ranked_from(const bit_trial& trial, std::size_t step, double before)
{
    const bool finite = trial.outcome == bit_trial_outcome::finite;
    const double none = std::numeric_limits<double>::quiet_NaN();
    return {.flip = trial.flip,
            .step = step,
            .delta = finite ? trial.deltas[0] : none,
            .before = before,
            .after = trial.values.empty() ? none : trial.values[0],
            .outcome = trial.outcome};
}

// Numbers of trials, best first.
inline std::vector<std::size_t> ordered_trials(const std::vector<bit_trial>& trials, const bit_trial_order& order)
{
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < trials.size(); ++i)
        if (order.eligible(trials[i]))
            result.push_back(i);
    std::stable_sort(result.begin(), result.end(), [&](std::size_t a, std::size_t b) { return order.before(trials[a], trials[b]); });
    return result;
}

// Of each figure the flips that move it most: the one that counts in the direction that was asked for, the others in that which harms. Of
// a progressive search those of the first step.
inline std::vector<const bit_trial*> trials_by_metric(const bit_ranking& ranking, std::size_t m)
{
    bool up = ranking.maximized;
    for (const named_metric& figure : ranking.baseline)
        if (m > 0 && figure.name == ranking.metrics[m])
            up = !figure.higher_is_better;
    std::vector<const bit_trial*> result;
    for (const bit_trial& trial : ranking.trials)
        if (trial.outcome == bit_trial_outcome::finite && trial.step <= 1)
            result.push_back(&trial);
    std::stable_sort(result.begin(), result.end(), [&](const bit_trial* a, const bit_trial* b) {
        if (a->deltas[m] != b->deltas[m])
            return up ? a->deltas[m] > b->deltas[m] : a->deltas[m] < b->deltas[m];
        return bit_trial_order::in_model_order(*a, *b);
    });
    return result;
}

// Of a list of trials: ranks, plan, and the best figure. Needs nothing but what is in the result, as after a merge.
inline void rank_trials(bit_ranking& result)
{
    const bit_trial_order order{result.maximized, result.options.crashes_first};
    result.ranked.clear();
    result.plan = result.options.after;
    result.best = result.start;
    for (const std::size_t i : ordered_trials(result.trials, order)) {
        const bit_trial& trial = result.trials[i];
        if (result.options.top_b > 0 ? result.ranked.size() == result.options.top_b : !order.helps(trial))
            break;
        result.ranked.push_back(ranked_from(trial, result.ranked.size() + 1, result.start));
        if (order.helps(trial))
            result.plan.push_back(trial.flip);
    }
    for (const bit_trial& trial : result.trials)
        if (trial.outcome == bit_trial_outcome::finite && (result.maximized ? trial.values[0] > result.best : trial.values[0] < result.best))
            result.best = trial.values[0];
}

}  // namespace weightscope::detail
