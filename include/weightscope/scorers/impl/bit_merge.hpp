#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_failing_share.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_merge.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_selection.hpp>
#include <weightscope/scorers/bit_trial_order.hpp>

namespace weightscope {

namespace detail {

inline bool same_bit_flips(const std::vector<planned_flip>& a, const std::vector<planned_flip>& b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const planned_flip& x, const planned_flip& y) {
        return std::tie(x.name, x.flat, x.part, x.bit) == std::tie(y.name, y.flat, y.part, y.bit);
    });
}

// The shards by their numbers, all of them there once.
template <class Shard, class Options>
std::vector<const Shard*> bit_shards_in_order(std::span<const Shard> shards, const Options& options_of, const char* caller)
{
    require(!shards.empty(), "{}: there is no shard, expected one or more", caller);
    const std::size_t count = options_of(shards.front()).shard_count;
    require(shards.size() == count, "{}: {} of {} shards are given, expected all of them", caller, shards.size(), count);
    std::vector<const Shard*> in_order(count, nullptr);
    for (const Shard& shard : shards) {
        const std::size_t number = options_of(shard).shard;
        require(number < count && in_order[number] == nullptr, "{}: shard {} of {} is there twice, expected each once", caller, number, count);
        in_order[number] = &shard;
    }
    return in_order;
}

inline void require_same_bit_search(const bit_ranking& first, const bit_ranking& shard, const char* caller)
{
    const rank_bits_options &a = first.options, &b = shard.options;
    const auto require_equal = [&](bool equal, const char* what) {
        require(equal, "{}: shard {} of {} has another {} than shard {}; expected parts of one search", caller, b.shard, b.shard_count, what, a.shard);
    };
    require(b.search == bit_search::independent, "{}: a shard is of a progressive search, which has no parts", caller);
    require_equal(b.shard_count == a.shard_count, "number of shards");
    require_equal(shard.fingerprint == first.fingerprint, "model or data");
    require_equal(shard.metrics == first.metrics && shard.maximized == first.maximized, "metric");
    require_equal(a.bits == b.bits, "set of bits");
    require_equal(a.top_b == b.top_b && a.crashes_first == b.crashes_first, "order of flips");
    require_equal(shard.all_candidate_count == first.all_candidate_count, "number of candidates");
    require_equal(same_bit_flips(a.after, b.after), "plan that was made first");
    bool same = shard.baseline.size() == first.baseline.size();
    for (std::size_t m = 0; same && m < first.baseline.size(); ++m) {
        const metric &x = first.baseline[m].value, &y = shard.baseline[m].value;
        same = x.exists() == y.exists() && (!x.exists() || std::fabs(x.value - y.value) <= 1e-6 * std::fabs(x.value));
    }
    require_equal(same, "baseline");
}

WEIGHTSCOPE_INLINE bit_ranking merge_bit_rankings(std::span<const bit_ranking> shards, const char* caller)
{
    for (const bit_ranking& shard : shards)
        require_same_bit_search(shards.front(), shard, caller);
    const auto in_order = bit_shards_in_order(shards, [](const bit_ranking& r) -> const rank_bits_options& { return r.options; }, caller);
    bit_ranking result = *in_order.front();
    result.trials.clear();
    result.outcomes = {};
    result.counts = {};
    result.evaluations = result.candidate_count = 0;
    result.seconds = 0;
    result.options.shard = 0;
    result.options.shard_count = 1;
    for (const bit_ranking* shard : in_order) {
        result.trials.insert(result.trials.end(), shard->trials.begin(), shard->trials.end());
        for (std::size_t o = 0; o < result.outcomes.size(); ++o)
            result.outcomes[o] += shard->outcomes[o];
        result.counts += shard->counts;
        result.evaluations += shard->evaluations;
        result.candidate_count += shard->candidate_count;
        result.seconds += shard->seconds;
    }
    std::stable_sort(result.trials.begin(), result.trials.end(), [](const bit_trial& a, const bit_trial& b) { return a.candidate < b.candidate; });
    rank_trials(result);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE bit_ranking merge_bit_rankings(std::span<const bit_ranking> shards)
{
    return detail::merge_bit_rankings(shards, "merge_bit_rankings(shards)");
}

WEIGHTSCOPE_INLINE failing_share_result merge_failing_shares(std::span<const failing_share_result> shards)
{
    constexpr auto caller = "merge_failing_shares(shards)";
    std::vector<bit_ranking> rankings;
    for (const failing_share_result& shard : shards) {
        const failing_share_result& first = shards.front();
        const failing_share_options &a = first.options, &b = shard.options;
        const auto same_stratum = [](const failing_stratum& x, const failing_stratum& y) {
            return std::tie(x.kind, x.part, x.bit, x.failing.population) == std::tie(y.kind, y.part, y.bit, y.failing.population);
        };
        const bool same = a.threshold == b.threshold && a.confidence == b.confidence && a.evaluation.seed == b.evaluation.seed
                       && std::equal(first.strata.begin(), first.strata.end(), shard.strata.begin(), shard.strata.end(), same_stratum);
        require(same, "{}: shard {} of {} has another sample or threshold than shard {}; expected parts of one sample", caller, b.shard, b.shard_count,
                a.shard);
        rankings.push_back(shard.ranking);
    }
    failing_share_result result;
    result.ranking = detail::merge_bit_rankings(rankings, caller);
    const auto in_order = detail::bit_shards_in_order(shards, [](const failing_share_result& r) -> const failing_share_options& { return r.options; }, caller);
    const failing_share_result& first = *in_order.front();
    result.options = first.options;
    result.options.shard = 0;
    result.options.shard_count = 1;
    result.strata = first.strata;
    result.population = first.population;
    result.samples = result.ranking.trials.size();
    result.passed_over = first.passed_over;
    const double z = detail::share_quantile(result.options.confidence, caller);
    std::span<const bit_trial> trials = result.ranking.trials;
    for (std::size_t s = 0; s < result.strata.size(); ++s) {
        std::size_t count = 0;
        for (const failing_share_result& shard : shards)
            count += shard.strata[s].failing.sample;
        require(count <= trials.size(), "{}: the strata count more flips than there are records; expected all of them", caller);
        detail::count_stratum(result.strata[s], trials.first(count), result.options, result.ranking.maximized, z, caller);
        trials = trials.subspan(count);
    }
    detail::sum_strata(result, z, caller);
    return result;
}

WEIGHTSCOPE_INLINE bit_selection merge_bit_selections(std::span<const bit_selection> shards, std::span<const select_bits_options> options)
{
    constexpr auto caller = "merge_bit_selections(shards, options)";
    require(shards.size() == options.size(), "{}: {} shards have {} options, expected those of each", caller, shards.size(), options.size());
    const auto options_of = [&](const bit_selection& s) -> const select_bits_options& { return options[static_cast<std::size_t>(&s - shards.data())]; };
    const auto in_order = detail::bit_shards_in_order(shards, options_of, caller);
    const bit_selection& first = *in_order.front();
    const select_bits_options& a = options_of(first);
    bit_selection result{.method = first.method, .bits = first.bits, .gradient_source = first.gradient_source};
    for (const bit_selection* shard : in_order) {
        const select_bits_options& b = options_of(*shard);
        const bool same = shard->method == first.method && shard->bits == first.bits && shard->gradient_source == first.gradient_source
                       && std::tie(a.shard_count, a.per_tensor_k, a.top_w, a.trust_radius, a.oversample, a.sample_all_weights, a.allow_bias,
                                   a.curvature, a.parts)
                              == std::tie(b.shard_count, b.per_tensor_k, b.top_w, b.trust_radius, b.oversample, b.sample_all_weights, b.allow_bias,
                                          b.curvature, b.parts);
        require(same, "{}: shard {} of {} has other settings than shard {}; expected parts of one choice", caller, b.shard, b.shard_count, a.shard);
        result.candidates.insert(result.candidates.end(), shard->candidates.begin(), shard->candidates.end());
        result.tensor_count += shard->tensor_count;
        result.weight_count += shard->weight_count;
        result.sampled_count += shard->sampled_count;
        result.unscored_count += shard->unscored_count;
        result.flips += shard->flips;
        for (const std::string& line : shard->passed_over)
            if (std::find(result.passed_over.begin(), result.passed_over.end(), line) == result.passed_over.end())
                result.passed_over.push_back(line);
        result.counts += shard->counts;
        result.seconds += shard->seconds;
    }
    std::stable_sort(result.candidates.begin(), result.candidates.end(), [](const bit_candidate& x, const bit_candidate& y) { return x.tensor < y.tensor; });
    detail::cut_bit_candidates(result.candidates, a.top_w);
    return result;
}

}  // namespace weightscope
