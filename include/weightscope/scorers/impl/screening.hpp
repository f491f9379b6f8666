#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/scorers/screening.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<screening_round> screening_rounds(std::size_t group_count, std::size_t batch_count, const screening_options& options,
                                                                 const char* caller)
{
    require(options.wanted > 0, "{}: options.wanted is 0, expected 1 or more", caller);
    require(options.first_batches > 0, "{}: options.first_batches is 0, expected 1 or more", caller);
    const std::size_t wanted = std::min(options.wanted, group_count);
    std::vector<screening_round> rounds;
    std::size_t groups = std::clamp(options.candidates, wanted, group_count), batches = std::min(options.first_batches, batch_count);
    while (groups > wanted) {
        rounds.push_back({groups, batches});
        groups = std::max(wanted, groups / 2);
        batches = std::min(2 * batches, batch_count);
    }
    rounds.push_back({groups, batch_count});
    return rounds;
}

WEIGHTSCOPE_INLINE std::size_t screening_losses(const std::vector<screening_round>& rounds)
{
    std::size_t losses = 0;
    for (const screening_round& round : rounds)
        losses += (round.groups + 1) * round.batches;
    return losses;
}

WEIGHTSCOPE_INLINE screening_result screen(any_evaluator& evaluator, std::span<const weight_group> groups, std::span<const double> cheap,
                                           const screening_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    require(groups.size() == cheap.size(), "{}: {} groups and {} cheap scores, expected one for each", caller, groups.size(), cheap.size());
    require(!groups.empty(), "{}: there are no groups, expected 1 or more", caller);
    require(options.costs.empty() || options.costs.size() == groups.size(), "{}: {} groups and {} costs, expected one for each", caller, groups.size(),
            options.costs.size());
    require(options.evaluation.resume.empty(), "{}: rounds keep no resume file, expected options.evaluation.resume to be empty", caller);
    const auto batches = chosen_batches(evaluator, options.evaluation, caller);
    const auto rounds = screening_rounds(groups.size(), batches.size(), options, caller);
    screening_result result{.rounds = rounds.size()};
    for (std::size_t g = 0; g < groups.size(); ++g)
        result.groups.push_back({.group = g, .cheap = cheap[g]});
    const auto order = [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; };  // NaN last: nobody removes what breaks the model
    std::stable_sort(result.groups.begin(), result.groups.end(), [&](const auto& a, const auto& b) { return order(a.cheap, b.cheap); });
    const auto worth = [&](const screened_group& g) { return options.costs.empty() ? g.measured : g.measured / options.costs[g.group]; };
    for (const screening_round& round : rounds) {
        group_probe_options probe{.ablate = true, .scale = false, .evaluation = options.evaluation};
        probe.evaluation.batches.assign(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(round.batches));
        std::vector<weight_group> now;
        for (std::size_t i = 0; i < round.groups; ++i)
            now.push_back(groups[result.groups[i].group]);
        const group_probe_result effects = group_probe(evaluator, now, probe, caller);
        for (std::size_t i = 0; i < round.groups; ++i) {
            result.groups[i].measured = effects.groups[i].removal;
            result.groups[i].batches = round.batches;
            result.groups[i].batch_error = effects.groups[i].removal_batch_error;
            ++result.groups[i].rounds;
        }
        std::stable_sort(result.groups.begin(), result.groups.begin() + static_cast<std::ptrdiff_t>(round.groups),
                         [&](const auto& a, const auto& b) { return order(worth(a), worth(b)); });
    }
    result.verified_count = rounds.back().groups;
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
