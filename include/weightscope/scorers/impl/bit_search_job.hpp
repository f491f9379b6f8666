#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/resume_file.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_places.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search_job.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_search_job::bit_search_job(any_evaluator& e, std::span<const bit_candidate> all, const rank_bits_options& how,
                                                  const model* stored, const char* caller, std::span<const unsigned> one_bit)
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
            "{}: a progressive search cannot be cut into shards, for each step is made on top of the best flip of all shards; rank step by step: "
            "independent shards with options.after the plan so far, put together, until the plan does not grow",
            caller);
    find_after(caller);
    for (std::size_t c = options.shard; c < all.size(); c += options.shard_count) {
        candidates.push_back(all[c]);
        numbers.push_back(c);
    }
    find_places(one_bit, caller);
    for (const bit_place& place : places)
        outcomes.push_back(outcome_of_value(flipper.effect(place, after)));
}

WEIGHTSCOPE_INLINE std::size_t bit_search_job::eligible_among(std::size_t count) const
{
    std::size_t eligible = 0;
    for (std::size_t i = 0; i < places.size(); ++i)
        eligible += places[i].candidate < count && outcomes[i] == bit_trial_outcome::finite ? 1 : 0;
    return eligible;
}

WEIGHTSCOPE_INLINE std::size_t bit_search_job::looks_for(std::size_t eligible) const
{
    if (options.search == bit_search::independent)
        return eligible;
    const std::size_t steps = options.top_b > 0 ? std::min(options.top_b, eligible) : eligible;
    return steps * eligible - steps * (steps - std::min<std::size_t>(steps, 1)) / 2;
}

WEIGHTSCOPE_INLINE planned_flip bit_search_job::planned(const bit_place& place, std::span<const bit_place> before) const
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

WEIGHTSCOPE_INLINE std::vector<std::string> bit_search_job::recorded(const rank_bits_options& how)
{
    std::vector<std::string> names = {how.metric};
    for (const std::string& name : how.metrics)
        if (std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    return names;
}

WEIGHTSCOPE_INLINE void bit_search_job::find_after(const char* caller)
{
    after = bit_places_of(evaluator, flipper, options.after, "options.after", caller);
    made_bit_flips made(flipper);
    for (std::size_t i = 0; i < after.size(); ++i) {
        const flip_outcome outcome = flipper.effect(after[i], made.before(after[i])).outcome;
        require(outcome == flip_outcome::finite || outcome == flip_outcome::unchanged,
                "{}: flip {} of options.after makes a weight NaN or Inf, on top of which nothing can be tried", caller, i);
    }
}

WEIGHTSCOPE_INLINE void bit_search_job::find_places(std::span<const unsigned> one_bit, const char* caller)
{
    std::set<std::tuple<std::size_t, std::size_t, std::string, unsigned>> seen;
    for (const bit_place& flipped : after)  // they are not turned back
        seen.emplace(flipped.tensor, flipped.first, flipped.part, flipped.bit);
    for (std::size_t c = 0; c < candidates.size(); ++c) {
        const bit_candidate& candidate = candidates[c];
        bit_place place = bit_place_of(evaluator, flipper, candidate.name, candidate.flat, candidate.part, fmt::format("candidate {}", numbers[c]), caller);
        place.candidate = c;
        for (const unsigned bit : bits_in(set, flipper.layout_of(place.tensor, place.part, caller)))
            if ((one_bit.empty() || one_bit[numbers[c]] == bit) && seen.emplace(place.tensor, place.first, place.part, bit).second) {
                place.bit = bit;
                places.push_back(place);
            }
    }
    require(!places.empty(), "{}: none of the {} candidates has any of the bits '{}'", caller, candidates.size(), set.name);
}

WEIGHTSCOPE_INLINE task_fingerprint bit_search_fingerprint(const bit_search_job& job)
{
    std::vector<std::size_t> tensors;
    for (const auto* places : {&job.after, &job.places})
        for (const bit_place& place : *places)
            if (std::find(tensors.begin(), tensors.end(), place.tensor) == tensors.end())
                tensors.push_back(place.tensor);
    task_fingerprint print = fingerprint_of_task("rank bits", job.evaluator, job.gauge.batches(), tensors, 0);
    for (const std::string& name : job.gauge.names())
        print.add(name);
    const rank_bits_options& o = job.options;
    print.add(to_string(o.search));
    for (const std::size_t number : {std::size_t{job.up}, o.top_b, std::size_t{o.go_on}, o.flips_per_weight, std::size_t{o.crashes_first}})
        print.add(std::uint64_t{number});
    for (const auto* places : {&job.after, &job.places}) {
        print.add(std::uint64_t{places->size()});
        for (const bit_place& place : *places) {
            for (const std::size_t number : {place.tensor, place.flat, std::size_t{place.bit}})
                print.add(std::uint64_t{number});
            print.add(place.part);
        }
    }
    return print;
}

WEIGHTSCOPE_INLINE std::string bit_model_fingerprint(const any_evaluator& evaluator, const std::vector<std::size_t>& batches)
{
    std::vector<std::size_t> tensors;
    for (std::size_t t = 0; t < evaluator.weights().size(); ++t)
        if (evaluator.weights()[t].size() > 0 && bits_of(evaluator.weights()[t].dtype) % 8 == 0 && bits_of(evaluator.weights()[t].dtype) > 0)
            tensors.push_back(t);
    return fmt::format("{:016x}", fingerprint_of_task("model", evaluator, batches, tensors, 0).value());
}

}  // namespace weightscope::detail
