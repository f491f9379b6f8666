#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/resume_file.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// What a search goes through, decided before the first forward.
struct bit_search_job
{
    any_evaluator& evaluator;
    rank_bits_options options;
    bit_flipper flipper;
    bit_gauge gauge;
    bit_set set;
    std::vector<bit_candidate> candidates = {};  // of this shard
    std::vector<std::size_t> numbers = {};       // of these, in the whole list
    std::vector<bit_place> places = {};          // of the flips, candidate by candidate, bits rising
    std::vector<bit_trial_outcome> outcomes = {};  // of their values on the unchanged model: those that are finite are run
    bool up = true;

    // one_bit: the only bit of each candidate that counts; empty: all of the set
    bit_search_job(any_evaluator& e, std::span<const bit_candidate> all, const rank_bits_options& how, const model* stored, const char* caller,
                   std::span<const unsigned> one_bit = {})
        : evaluator(e),
          options(how),
          flipper(e, stored),
          gauge(e, chosen_batches(e, how.evaluation, caller), recorded(how), caller),
          set(parse_bit_set(how.bits)),
          up(goes_up(e, how.metric, how.goal))
    {
        require(options.shard_count > 0 && options.shard < options.shard_count, "{}: options.shard is {} of {}, expected below the count", caller,
                options.shard, options.shard_count);
        require(options.shard_count == 1 || options.search == bit_search::independent,
                "{}: a progressive search cannot be cut into shards, for each step needs the one before; use independent", caller);
        for (std::size_t c = options.shard; c < all.size(); c += options.shard_count) {
            candidates.push_back(all[c]);
            numbers.push_back(c);
        }
        find_places(one_bit, caller);
        for (const bit_place& place : places)
            outcomes.push_back(outcome_of_value(flipper.effect(place, {})));
    }

    // How many flips of the first candidates are run on the unchanged model.
    std::size_t eligible_among(std::size_t count) const
    {
        std::size_t eligible = 0;
        for (std::size_t i = 0; i < places.size(); ++i)
            eligible += places[i].candidate < count && outcomes[i] == bit_trial_outcome::finite ? 1 : 0;
        return eligible;
    }
    // Looks that a search among so many flips takes, at most.
    std::size_t looks_for(std::size_t eligible) const
    {
        if (options.search == bit_search::independent)
            return eligible;
        const std::size_t steps = options.top_b > 0 ? std::min(options.top_b, eligible) : eligible;
        return steps * eligible - steps * (steps - std::min<std::size_t>(steps, 1)) / 2;
    }

    planned_flip planned(const bit_place& place, std::span<const bit_place> before) const
    {
        const bit_flip flip = flipper.effect(place, before);
        return {.name = candidates[place.candidate].name,
                .flat = place.flat,
                .bit = place.bit,
                .part = place.part,
                .old_code = flip.old_code,
                .new_code = flip.new_code,
                .old_value = flip.old_value,
                .new_value = flip.new_value};
    }

private:
    static std::vector<std::string> recorded(const rank_bits_options& how)
    {
        std::vector<std::string> names = {how.metric};
        for (const std::string& name : how.metrics)
            if (std::find(names.begin(), names.end(), name) == names.end())
                names.push_back(name);
        return names;
    }

    void find_places(std::span<const unsigned> one_bit, const char* caller)
    {
        std::map<std::string_view, std::size_t> by_name;
        for (std::size_t t = 0; t < evaluator.weights().size(); ++t)
            by_name.emplace(evaluator.weights()[t].name, t);
        std::set<std::tuple<std::size_t, std::size_t, std::string, unsigned>> seen;
        for (std::size_t c = 0; c < candidates.size(); ++c) {
            const bit_candidate& candidate = candidates[c];
            const auto found = by_name.find(candidate.name);
            require(found != by_name.end(), "{}: candidate {} is in '{}', which the evaluator has not", caller, numbers[c], printable(candidate.name));
            const std::size_t tensor = storage_of(evaluator, found->second);
            const std::size_t size = evaluator.weights()[tensor].size();
            require(candidate.flat < size, "{}: candidate {} is element {} of '{}', which has {}", caller, numbers[c], candidate.flat,
                    printable(candidate.name), size);
            flipper.require_same(tensor, candidate.flat, caller);
            for (const unsigned bit : bits_in(set, flipper.layout_of(tensor, "code", caller)))
                if ((one_bit.empty() || one_bit[numbers[c]] == bit) && seen.emplace(tensor, candidate.flat, "code", bit).second)
                    places.push_back({.tensor = tensor, .flat = candidate.flat, .bit = bit, .candidate = c});
        }
        require(!places.empty(), "{}: none of the {} candidates has any of the bits '{}'", caller, candidates.size(), set.name);
    }
};

inline task_fingerprint bit_search_fingerprint(const bit_search_job& job)
{
    std::vector<std::size_t> tensors;
    for (const bit_place& place : job.places)
        if (std::find(tensors.begin(), tensors.end(), place.tensor) == tensors.end())
            tensors.push_back(place.tensor);
    task_fingerprint print = fingerprint_of_task("rank bits", job.evaluator, job.gauge.batches(), tensors, 0);
    for (const std::string& name : job.gauge.names())
        print.add(name);
    const rank_bits_options& o = job.options;
    print.add(to_string(o.search));
    for (const std::size_t number : {std::size_t{job.up}, o.top_b, std::size_t{o.go_on}, o.flips_per_weight, std::size_t{o.crashes_first}})
        print.add(std::uint64_t{number});
    for (const bit_place& place : job.places) {
        for (const std::size_t number : {place.tensor, place.flat, std::size_t{place.bit}})
            print.add(std::uint64_t{number});
        print.add(place.part);
    }
    return print;
}

// Of the whole model and the data, for results that are to be put together.
inline std::string bit_model_fingerprint(const any_evaluator& evaluator, const std::vector<std::size_t>& batches)
{
    std::vector<std::size_t> tensors;
    for (std::size_t t = 0; t < evaluator.weights().size(); ++t)
        if (evaluator.weights()[t].size() > 0 && bits_of(evaluator.weights()[t].dtype) % 8 == 0 && bits_of(evaluator.weights()[t].dtype) > 0)
            tensors.push_back(t);
    return fmt::format("{:016x}", fingerprint_of_task("model", evaluator, batches, tensors, 0).value());
}

// Runs flips, and keeps what they did.
class bit_search_runner
{
public:
    bit_search_runner(bit_search_job& job, bit_ranking& result, const char* caller)
        : job_(job),
          result_(result),
          base_(unchanged(caller)),
          pool_(job.evaluator),
          runner_(pool_, job.options.evaluation, bit_search_fingerprint(job), 2 * job.gauge.size(),
                  std::max<std::size_t>(job.looks_for(job.eligible_among(job.candidates.size())), 1))
    {
    }

    // Each flip of `active`, on top of those of `committed`: figures and changes, in their order.
    void run(const std::vector<std::size_t>& active, const std::vector<bit_place>& committed, std::size_t step, std::vector<bit_trial>& into)
    {
        const std::size_t begin = next_;
        next_ += active.size();
        runner_.run_until(
            next_,
            [&](any_evaluator& e, std::size_t item, std::span<double> out) {
                weight_patch patch(e);
                std::vector<bit_place> before;
                for (const bit_place& flipped : committed) {
                    job_.flipper.apply(e, patch, flipped, before);
                    before.push_back(flipped);
                }
                job_.flipper.apply(e, patch, job_.places[active[item - begin]], before);
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
    bit_trial trial_of(std::size_t place, const std::vector<bit_place>& committed, std::size_t step) const
    {
        const bit_place& p = job_.places[place];
        return {.flip = job_.planned(p, committed),
                .weight_score = job_.candidates[p.candidate].score,
                .candidate = job_.numbers[p.candidate],
                .tensor = p.tensor,
                .step = step,
                .outcome = job_.outcomes[place]};
    }
    void finish() { runner_.finish(); }

private:
    // All figures of the unchanged model; those that are recorded come first in what changes are taken against.
    std::vector<std::vector<loss_value>> unchanged(const char* caller)
    {
        std::vector<std::string> all = {"loss"};
        for (const metric_info& info : job_.evaluator.metrics())
            all.push_back(info.name);
        const bit_gauge everything(job_.evaluator, job_.gauge.batches(), all, caller);
        const auto found = everything.look(job_.evaluator);
        std::vector<std::vector<loss_value>> base(job_.gauge.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
            const loss_value sum = total(found[i]);
            const bool better = i > 0 && job_.evaluator.metrics()[i - 1].higher_is_better;
            result_.baseline.push_back({all[i], better, sum.count > 0 ? metric(sum.mean()) : metric::missing("nothing was counted")});
            for (std::size_t m = 0; m < job_.gauge.size(); ++m)
                if (job_.gauge.names()[m] == all[i]) {
                    require(result_.baseline.back().value.exists(), "{}: '{}' of the unchanged model does not exist: {}; expected a number", caller, all[i],
                            result_.baseline.back().value.reason);
                    base[m] = found[i];
                    if (m == 0)
                        result_.start = result_.best = sum.mean();
                }
        }
        return base;
    }

    bit_search_job& job_;
    bit_ranking& result_;
    std::vector<std::vector<loss_value>> base_;
    evaluator_pool pool_;
    item_runner runner_;
    std::size_t next_ = 0;
};

}  // namespace weightscope::detail
