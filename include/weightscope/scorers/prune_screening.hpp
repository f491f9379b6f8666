#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/screening.hpp>
#include <weightscope/scorers/selection.hpp>
#include <weightscope/scorers/selection_options.hpp>

namespace weightscope::detail {

// How many groups to screen for: their share is that of what is to go, and three times as many are candidates.
inline screening_options screening_for(const grouped_model& groups, const std::vector<group_place>& eligible, const selection_options& options)
{
    double whole = 0;
    for (const group_place& place : eligible) {
        const group_family& family = groups.families[place.family];
        whole += static_cast<double>(options.bytes ? family.bytes : family.parameters);
    }
    const double share = std::min(static_cast<double>(target_of(groups, options)) / whole, 1.0);
    const auto wanted = std::max<std::size_t>(static_cast<std::size_t>(std::ceil(share * static_cast<double>(eligible.size()))), 1);
    return {.wanted = wanted, .candidates = 3 * wanted};
}

struct screened_scores_result
{
    std::vector<double> importance = {};  // one for each group
    std::vector<double> errors = {};      // of them, over the batches; NaN where nothing was measured
    double scale = 1;                     // of the cheap scores, to be changes of the loss
    std::size_t measured_count = 0;
};

// What was measured, in the order that screening ends with, and what the cheap score says where it was not, brought to one scale.
inline screened_scores_result merge_screened(const screening_result& found, const std::vector<double>& costs)
{
    screened_scores_result result{.importance = std::vector<double>(found.groups.size()), .errors = std::vector<double>(found.groups.size())};
    std::vector<double> ratios;
    for (const screened_group& g : found.groups)
        if (g.measured > 0 && g.cheap > 0)
            ratios.push_back(g.measured / costs[g.group] / g.cheap);
    std::sort(ratios.begin(), ratios.end());
    result.scale = ratios.empty() ? 1 : ratios[ratios.size() / 2];
    double last = -std::numeric_limits<double>::infinity();
    for (const screened_group& g : found.groups) {
        const double own = g.rounds > 0 ? g.measured / costs[g.group] : result.scale * g.cheap;
        last = std::isnan(own) ? last : std::max(last, own);  // those that got further go first, whatever fewer batches said
        result.importance[g.group] = std::isnan(own) ? own : last * costs[g.group];
        result.errors[g.group] = g.batch_error;
        result.measured_count += g.rounds > 0 ? 1 : 0;
    }
    return result;
}

}  // namespace weightscope::detail
