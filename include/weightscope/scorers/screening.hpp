#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/group_probe.hpp>

namespace weightscope {

struct screening_options
{
    std::size_t wanted = 100;        ///< groups to find: those that matter least
    std::size_t candidates = 400;    ///< groups to begin with: those with the lowest cheap scores
    std::size_t first_batches = 1;   ///< of the first round; each further round takes twice as many
    evaluation_options evaluation = {};  ///< without a resume file
    std::vector<double> costs = {};      ///< of the groups: changes of the loss are divided by it before they are compared; empty: all 1
};

/// One group and how far it got.
struct screened_group
{
    std::size_t group = 0;
    double cheap = 0;          ///< the score that came with it
    double measured = std::numeric_limits<double>::quiet_NaN();  ///< change of the mean loss in the last round it took part in; NaN: in none
    std::size_t rounds = 0;    ///< that it took part in
    std::size_t batches = 0;   ///< of the last of them
    double batch_error = std::numeric_limits<double>::quiet_NaN();  ///< standard error of measured over them; NaN for one batch
};

struct screening_result
{
    std::vector<screened_group> groups = {};  ///< all of them, the least important first: those that got furthest, then by what was measured
    std::size_t verified_count = 0;           ///< groups at the front that were measured on all batches
    std::size_t rounds = 0;
    evaluation_counts counts = {};
};

namespace detail {

struct screening_round
{
    std::size_t groups = 0, batches = 0;
};

// Halves the candidates and doubles the batches until the wanted ones are left, which are measured on all batches.
inline std::vector<screening_round> screening_rounds(std::size_t group_count, std::size_t batch_count, const screening_options& options, const char* caller)
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

// All that a round asks for at once is one base and one loss for each group, per batch.
inline std::size_t screening_losses(const std::vector<screening_round>& rounds)
{
    std::size_t losses = 0;
    for (const screening_round& round : rounds)
        losses += (round.groups + 1) * round.batches;
    return losses;
}

inline screening_result screen(any_evaluator& evaluator, std::span<const weight_group> groups, std::span<const double> cheap,
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

}  // namespace detail

/// Finds the groups that matter least among many, by removing few of them: a cheap score chooses candidates, half of which are dropped in
/// each round while the number of batches doubles, and what is left is measured on all batches.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param groups     see weight_group
/// @param cheap      a score for each, such as magnitude or Taylor, by its cost where options.costs are given: NaN comes last
/// @param options    see screening_options
/// @return           see screening_result
/// @throws std::invalid_argument  there are no groups, not a score for each, or an option is out of range
/// @throws cancelled              the progress callback returned false
/// @note             as many losses as plan_screening() says; what the cheap score puts behind the candidates is never looked at
/// @see              Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits"
template <class E>
[[nodiscard]] screening_result select_by_screening(E& evaluator, std::span<const weight_group> groups, std::span<const double> cheap,
                                                   const screening_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::screen(held, groups, cheap, options, "select_by_screening(evaluator, groups, cheap, options)");
}

/// Says what select_by_screening() will cost: the number of losses exactly, and the seconds by those of one batch.
template <class E>
[[nodiscard]] evaluation_plan plan_screening(E& evaluator, std::span<const weight_group> groups, const screening_options& options = {})
{
    constexpr auto caller = "plan_screening(evaluator, groups, options)";
    auto held = detail::hold(evaluator);
    const auto batches = detail::chosen_batches(held, options.evaluation, caller);
    const double largest = detail::largest_group_bytes(held, groups, caller);
    evaluation_plan plan;
    const double per_batch = detail::median_seconds([&] { (void)held.loss(batches[0]); });
    plan.seconds_per_loss = per_batch * static_cast<double>(batches.size());
    plan.counts.losses = detail::screening_losses(detail::screening_rounds(groups.size(), batches.size(), options, caller));
    plan.seconds = per_batch * static_cast<double>(plan.counts.losses);
    plan.memory_bytes = 2 * largest + static_cast<double>(groups.size() * (sizeof(screened_group) + sizeof(group_effect) + 5 * sizeof(double)));
    plan.predicted_relative_error = metric::missing("each group is measured");
    plan.spent = held.counts();
    return plan;
}

}  // namespace weightscope
