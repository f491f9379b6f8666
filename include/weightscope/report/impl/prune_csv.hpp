#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/prune_csv.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const prune_result& result)
{
    const prune_trial& trial = result.chosen();
    std::string text;
    if (result.settings.unit != prune_unit::group) {
        text = "name,parameters,removed,ratio,method\n";
        for (const prune_share& share : trial.shares)
            text += fmt::format("{},{},{},{},{}\n", detail::quoted(share.name), share.parameters, share.removed,
                                static_cast<double>(share.removed) / static_cast<double>(share.parameters), detail::quoted(share.method));
        return text;
    }
    const std::vector<group_place> places = result.groups.places();
    std::vector<std::size_t> order(places.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::vector<double>& scores = trial.scores.scores;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::isnan(scores[b]) ? !std::isnan(scores[a]) : scores[a] < scores[b];
    });
    std::vector<bool> removed(places.size());
    for (std::size_t i = 0, k = 0; i < places.size() && k < trial.selection.removed.size(); ++i)
        if (places[i] == trial.selection.removed[k]) {
            removed[i] = true;
            ++k;
        }
    text = "layer_idx,group_type,group_idx,importance,cost,score,removed\n";
    for (const std::size_t i : order) {
        const group_family& family = result.groups.families[places[i].family];
        text += fmt::format("{},{},{},{},{},{},{}\n", family.layer, to_string(family.kind), places[i].unit,
                            detail::csv_number(trial.scores.importance[i]), family.parameters, detail::csv_number(scores[i]), removed[i] ? 1 : 0);
    }
    return text;
}

}  // namespace weightscope
