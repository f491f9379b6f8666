#pragma once

#include <cstdint>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/selection_options.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::uint64_t target_of(const grouped_model& groups, const selection_options& options);

}  // namespace detail

/// Chooses the groups that go: those of the lowest scores whose costs reach the target, and no more than it takes.
///
/// Groups are taken in ascending order until the target is reached; then those of the highest scores that are not needed for it come
/// back. Where the one that reaches it is large, the choice without it, filled up with smaller ones, is looked at too, and the one whose
/// Σ score · cost is lower counts. So a budget is never exceeded, the ratio removed is never below the one asked for where the groups
/// reach it, and it is above it by less than the smallest group that goes.
///
/// @param groups   see transformer_groups()
/// @param scores   [groups] as of group_scores_result; NaN: the group stays
/// @param options  see selection_options
/// @return         see selection_result
/// @throws std::invalid_argument  options or the number of scores do not fit, or widths are to be uniform where layers differ already
/// @note           of equal scores the first group goes. Scores of one and the same run: effects of removals do not add up, measure what
///                 is left.
[[nodiscard]] WEIGHTSCOPE_INLINE selection_result select_groups(const grouped_model& groups, std::span<const double> scores,
                                                                const selection_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/selection.hpp>
#endif
