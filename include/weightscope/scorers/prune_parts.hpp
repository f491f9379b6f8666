#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <weightscope/io/name_filter.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/selection_options.hpp>

namespace weightscope::detail {

// Families of which a tensor is not chosen by name.
inline std::vector<bool> unchosen_families(const grouped_model& groups, const name_filter_options& names)
{
    const name_filter filter(names);
    std::vector<bool> result;
    for (const group_family& family : groups.families)
        result.push_back(std::any_of(family.slices.begin(), family.slices.end(),
                                     [&](const group_slice& slice) { return !filter.takes(groups.tensors[slice.region(0, 0).tensor].name); }));
    return result;
}

inline bool may_lose(const group_family& family, std::size_t f, const grouped_model& groups, const selection_options& options)
{
    return !(family.layer < options.freeze_first || family.layer + options.freeze_last >= groups.layer_count || options.frozen[f]
             || std::find(options.freeze_layers.begin(), options.freeze_layers.end(), family.layer) != options.freeze_layers.end());
}

inline std::vector<group_place> eligible_groups(const grouped_model& groups, const selection_options& options)
{
    std::vector<group_place> result;
    for (std::size_t f = 0; f < groups.families.size(); ++f)
        if (may_lose(groups.families[f], f, groups, options))
            for (std::size_t u = 0; u < groups.families[f].unit_count; ++u)
                result.push_back({f, u});
    return result;
}

inline std::string part_of_kind(group_kind kind)
{
    switch (kind) {
    case group_kind::kv_group:
    case group_kind::query_head:
    case group_kind::attention: return "attention";
    case group_kind::block: return "blocks";
    default: return "feed-forward";
    }
}

// What a choice of groups removes, as numbers of each kind.
inline void describe_groups(const grouped_model& groups, prune_trial& trial)
{
    trial.masks = masks_of_groups(groups, trial.selection.removed);
    trial.removed_parameters = trial.selection.removed_parameters;
    trial.actual_ratio = trial.selection.actual_ratio;
    std::map<group_kind, prune_share> kinds;
    for (const group_family& family : groups.families)
        kinds[family.kind].parameters += family.unit_count * family.parameters;
    for (const group_place& place : trial.selection.removed)
        kinds[groups.families[place.family].kind].removed += groups.families[place.family].parameters;
    for (auto& [kind, share] : kinds) {
        share.name = to_string(kind);
        share.method = trial.method;
        for (const prune_validation& v : trial.validation)
            if (v.chosen && v.part == part_of_kind(kind))
                share.method = v.method;
        trial.shares.push_back(share);
    }
}

}  // namespace weightscope::detail
