#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

/// A study of pruning as charts: the scores of the groups with those that go marked, or, where single weights go, what share of each
/// matrix does.
///
/// @return one chart: "group_scores"
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<chart> plot_pruning(const prune_result& result);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/prune_charts.hpp>
#endif
