#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_places.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search.hpp>
#include <weightscope/scorers/bit_search_job.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_search_runner::bit_search_runner(bit_search_job& job, bit_ranking& result, const char* caller)
    : job_(job),
      result_(result),
      base_(unchanged(caller)),
      pool_(job.evaluator),
      runner_(pool_, job.options.evaluation, bit_search_fingerprint(job), 2 * job.gauge.size(),
              std::max<std::size_t>(job.looks_for(job.eligible_among(job.candidates.size())), 1))
{
}

WEIGHTSCOPE_INLINE void bit_search_runner::run(const std::vector<std::size_t>& active, const std::vector<bit_place>& committed, std::size_t step,
                                               std::vector<bit_trial>& into)
{
    const std::size_t begin = next_;
    next_ += active.size();
    runner_.run_until(
        next_,
        [&](any_evaluator& e, std::size_t item, std::span<double> out) {
            weight_patch patch(e);
            make_bit_flips(job_.flipper, e, patch, committed);
            job_.flipper.apply(e, patch, job_.places[active[item - begin]], committed);
            job_.gauge.compare(base_, job_.gauge.look(e), out);
            patch.restore();
        },
        [&](std::size_t) { return std::string("flips"); });
    for (std::size_t i = 0; i < active.size(); ++i) {
        bit_trial trial = trial_of(active[i], committed, step);
        const auto numbers = runner_.numbers(begin + i);
        trial.values.assign(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(job_.gauge.size()));
        trial.deltas.assign(numbers.begin() + static_cast<std::ptrdiff_t>(job_.gauge.size()), numbers.end());
        trial.outcome = outcome_of_figures(trial.values);
        into.push_back(std::move(trial));
    }
    result_.evaluations += active.size();
}

WEIGHTSCOPE_INLINE bit_trial bit_search_runner::trial_of(std::size_t place, const std::vector<bit_place>& committed, std::size_t step) const
{
    const bit_place& p = job_.places[place];
    return {.flip = job_.planned(p, committed),
            .weight_score = job_.candidates[p.candidate].score,
            .candidate = job_.numbers[p.candidate],
            .tensor = p.tensor,
            .step = step,
            .outcome = job_.outcomes[place]};
}

WEIGHTSCOPE_INLINE std::vector<std::vector<loss_value>> bit_search_runner::unchanged(const char* caller)
{
    std::vector<std::string> all = {"loss"};
    for (const metric_info& info : job_.evaluator.metrics())
        all.push_back(info.name);
    for (const std::string& name : job_.gauge.output_names())
        all.push_back(name);
    const bit_gauge everything(job_.evaluator, job_.gauge.batches(), all, caller, job_.gauge.unchanged_outputs());
    weight_patch patch(job_.evaluator);
    make_bit_flips(job_.flipper, job_.evaluator, patch, job_.after);
    const auto found = everything.look(job_.evaluator);
    patch.restore();
    std::vector<std::vector<loss_value>> base(job_.gauge.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const loss_value sum = total(found[i]);
        const double value = sum.count > 0 ? everything.value(i, sum) : 0;
        result_.baseline.push_back(
            {all[i], everything.infos()[i].higher_is_better, sum.count > 0 ? metric(value) : metric::missing("nothing was counted")});
        for (std::size_t m = 0; m < job_.gauge.size(); ++m)
            if (job_.gauge.names()[m] == all[i]) {
                require(result_.baseline.back().value.exists(), "{}: '{}' of the unchanged model does not exist: {}; expected a number", caller, all[i],
                        result_.baseline.back().value.reason);
                base[m] = found[i];
                if (m == 0)
                    result_.start = result_.best = value;
            }
    }
    return base;
}

}  // namespace weightscope::detail
