#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_trial_order.hpp>

namespace weightscope {

/// Puts the shards of an independent search together: what the search would have given in one piece, up to counts of passes over the
/// unchanged model and seconds, which add up.
///
/// @param shards  all shards of one search, in any order
/// @throws std::invalid_argument  none or not all of them, one twice, or they differ in model, data, figures, bits or settings, or in the
///                                figures of the unchanged model by more than a part in 10^6
[[nodiscard]] inline bit_ranking merge_bit_rankings(std::span<const bit_ranking> shards)
{
    constexpr auto caller = "merge_bit_rankings(shards)";
    require(!shards.empty(), "{}: there is no shard, expected one or more", caller);
    const bit_ranking& first = shards.front();
    const std::size_t count = first.options.shard_count;
    require(shards.size() == count, "{}: {} of {} shards are given, expected all of them", caller, shards.size(), count);
    std::vector<const bit_ranking*> in_order(count, nullptr);
    for (const bit_ranking& shard : shards) {
        const rank_bits_options &a = first.options, &b = shard.options;
        const auto require_equal = [&](bool equal, const char* what) {
            require(equal, "{}: shard {} of {} has another {} than shard {}; expected parts of one search", caller, b.shard, b.shard_count, what, a.shard);
        };
        require(b.search == bit_search::independent, "{}: a shard is of a progressive search, which has no parts", caller);
        require_equal(b.shard_count == count, "number of shards");
        require_equal(shard.fingerprint == first.fingerprint, "model or data");
        require_equal(shard.metrics == first.metrics && shard.maximized == first.maximized, "metric");
        require_equal(a.bits == b.bits, "set of bits");
        require_equal(a.top_b == b.top_b && a.crashes_first == b.crashes_first, "order of flips");
        require_equal(shard.all_candidate_count == first.all_candidate_count, "number of candidates");
        bool same = shard.baseline.size() == first.baseline.size();
        for (std::size_t m = 0; same && m < first.baseline.size(); ++m) {
            const metric &x = first.baseline[m].value, &y = shard.baseline[m].value;
            same = x.exists() == y.exists() && (!x.exists() || std::fabs(x.value - y.value) <= 1e-6 * std::fabs(x.value));
        }
        require_equal(same, "baseline");
        require(b.shard < count && in_order[b.shard] == nullptr, "{}: shard {} of {} is there twice, expected each once", caller, b.shard, count);
        in_order[b.shard] = &shard;
    }
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
    detail::rank_trials(result);
    return result;
}

}  // namespace weightscope
