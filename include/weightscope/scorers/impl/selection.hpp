#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/selection.hpp>
#include <weightscope/scorers/selection_items.hpp>
#include <weightscope/scorers/selection_options.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::uint64_t target_of(const grouped_model& groups, const selection_options& options)
{
    constexpr const char* caller = "select_groups(groups, scores, options)";
    require(!(options.parameters && options.bytes), "{}: options.parameters and options.bytes are both given, expected one of them", caller);
    if (options.parameters)
        return groups.parameters - std::min(groups.parameters, *options.parameters);
    if (options.bytes)
        return groups.bytes - std::min(groups.bytes, *options.bytes);
    require(options.ratio >= 0 && options.ratio < 1, "{}: options.ratio is {}, expected 0 or more and below 1", caller, options.ratio);
    return least_count(options.ratio, groups.parameters);
}

inline void require_selection(const grouped_model& groups, std::span<const double> scores, const selection_options& options)
{
    constexpr const char* caller = "select_groups(groups, scores, options)";
    require(scores.size() == groups.group_count(), "{}: {} scores for {} groups, expected one each", caller, scores.size(), groups.group_count());
    require(options.least_kept >= 0 && options.least_kept <= 1, "{}: options.least_kept is {}, expected 0 to 1", caller, options.least_kept);
    require(options.most_per_layer >= 0 && options.most_per_layer <= 1, "{}: options.most_per_layer is {}, expected 0 to 1", caller,
            options.most_per_layer);
    require(options.frozen.empty() || options.frozen.size() == groups.families.size(), "{}: options.frozen says something of {} families, expected {}",
            caller, options.frozen.size(), groups.families.size());
    for (const std::size_t layer : options.freeze_layers)
        require(layer < groups.layer_count, "{}: layer {} is to be frozen, expected below {}", caller, layer, groups.layer_count);
}

// Places and sums of what is removed.
inline void describe_selection(const grouped_model& groups, selection_result& result)
{
    std::sort(result.removed.begin(), result.removed.end(), [](const group_place& a, const group_place& b) {
        return a.family != b.family ? a.family < b.family : a.unit < b.unit;
    });
    std::vector<std::size_t> counts(groups.families.size());
    for (const group_place& place : result.removed) {
        const group_family& family = groups.families[place.family];
        ++counts[place.family];
        result.removed_parameters += family.parameters;
        result.removed_bytes += family.bytes;
        result.removed_flops += family.flops_per_token;
    }
    result.layers.resize(groups.layer_count);
    for (std::size_t l = 0; l < groups.layer_count; ++l)
        result.layers[l].layer = l;
    for (const grouped_tensor& tensor : groups.tensors)
        if (tensor.layer && tensor.tied_to.empty())
            result.layers[*tensor.layer].parameters += tensor.parameters;
    for (std::size_t f = 0; f < groups.families.size(); ++f) {
        const group_family& family = groups.families[f];
        layer_selection& layer = result.layers[family.layer];
        layer.families.push_back({.family = f, .removed = counts[f]});
        layer.removed_parameters += counts[f] * family.parameters;
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE selection_result select_groups(const grouped_model& groups, std::span<const double> scores, const selection_options& options)
{
    detail::require_selection(groups, scores, options);
    selection_result result{.target = detail::target_of(groups, options), .in_bytes = options.bytes.has_value()};
    const detail::selection_items items(groups, scores, options);
    std::vector<std::size_t> chosen;
    if (result.target > 0) {
        const detail::selection_run straight = items.choose(result.target, false), filled = items.choose(result.target, true);
        const bool fill = filled.reached && (!straight.reached || filled.importance < straight.importance);
        const detail::selection_run& best = fill ? filled : straight;
        chosen = best.items;
        result.reached = best.reached;
    }
    for (const std::size_t item : chosen) {
        const auto places = items.places(item);
        result.removed.insert(result.removed.end(), places.begin(), places.end());
    }
    result.reachable = items.reachable();
    detail::describe_selection(groups, result);
    const std::uint64_t whole = result.in_bytes ? groups.bytes : groups.parameters;
    const auto share = [&](std::uint64_t part) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; };
    result.target_ratio = share(result.target);
    result.actual_ratio = share(result.in_bytes ? result.removed_bytes : result.removed_parameters);
    return result;
}

}  // namespace weightscope
