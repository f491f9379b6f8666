#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/plot_scores.hpp>
#include <weightscope/report/prune_charts.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<chart> plot_pruning(const prune_result& result)
{
    const prune_trial& trial = result.chosen();
    group_scores_chart of{.below = fmt::format("{}: {}, {:.2f} % of the parameters go", printable(result.model_path), trial.method,
                                               100 * trial.actual_ratio),
                          .marked = "removed"};
    if (result.settings.unit != prune_unit::group) {
        of.title = "Weights that go, matrix by matrix";
        of.score = "share removed";
        of.lowest_first = false;
        for (const prune_share& share : trial.shares)
            of.groups.push_back({.name = share.name,
                                 .score = share.parameters > 0 ? static_cast<double>(share.removed) / static_cast<double>(share.parameters) : 0,
                                 .marked = share.removed > 0});
        return {plot_group_scores(of)};
    }
    of.title = "Scores of groups, the lowest go first";
    of.score = result.settings.group_scores.per_parameter ? "importance / parameters" : "importance";
    const std::vector<group_place> places = result.groups.places();
    std::size_t next = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        const bool removed = next < trial.selection.removed.size() && trial.selection.removed[next] == places[i];
        next += removed ? 1 : 0;
        of.groups.push_back({.name = result.groups.families[places[i].family].name(places[i].unit), .score = trial.scores.scores[i], .marked = removed});
    }
    return {plot_group_scores(of)};
}

}  // namespace weightscope
