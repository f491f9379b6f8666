#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
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
WEIGHTSCOPE_INLINE std::vector<screening_round> screening_rounds(std::size_t group_count, std::size_t batch_count, const screening_options& options,
                                                                 const char* caller);

// All that a round asks for at once is one base and one loss for each group, per batch.
WEIGHTSCOPE_INLINE std::size_t screening_losses(const std::vector<screening_round>& rounds);

WEIGHTSCOPE_INLINE screening_result screen(any_evaluator& evaluator, std::span<const weight_group> groups, std::span<const double> cheap,
                                           const screening_options& options, const char* caller);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/screening.hpp>
#endif
