#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// What became of one layer, or of a whole model, from one state to the next. Figures that are not known are missing and not judged.
struct layer_change
{
    std::string name = {};                ///< empty: the whole model
    metric l2_norm_ratio = {};            ///< after / before
    metric spectral_norm_ratio = {};      ///< after / before, of matrices
    metric stable_rank_ratio = {};        ///< after / before, of matrices
    metric condition_number_ratio = {};   ///< after / before, of matrices
    metric relative_l2_distance = {};     ///< ‖after - before‖ / ‖before‖
    metric unchanged_percentage = {};     ///< weights that are what they were, 0 to 100
    metric appeared_count = {};           ///< weights that are NaN or infinite and were finite
    metric cosine_similarity = {};        ///< of matrices, weighted by parameters; of whole models
    metric removed = {};                  ///< 1 where the layer is gone or has another size, 0 where not
};

/// One line of a table of rules about changes; as `rule`, but for a layer_change.
struct change_rule
{
    std::string id = {};
    std::string label = {};  ///< what the number is, for people
    std::string metric_name = {};
    std::function<metric(const layer_change&)> value = {};
    comparison compare = comparison::above;
    std::optional<double> info = {};
    std::optional<double> warning = {};
    std::optional<double> critical = {};
    std::string unit = {};
    std::string meaning = {};
    std::string remedy = {};
    bool whole_model = false;                ///< judges the change of the whole model, and no layer
    std::string explained_by = {};           ///< rule: where it fires on the same layer this one is not told

    [[nodiscard]] const std::optional<double>& limit(severity level) const
    {
        return level == severity::critical ? critical : level == severity::warning ? warning : info;
    }
};

namespace detail {

inline std::optional<finding> finding_of(const change_rule& r, const layer_change& change)
{
    const metric value = r.value(change);
    if (!value.exists() || r.whole_model != change.name.empty())
        return std::nullopt;
    for (const severity level : {severity::critical, severity::warning, severity::info}) {
        const std::optional<double>& limit = r.limit(level);
        if (limit && crosses(value.value, r.compare, *limit))
            return finding{.rule_id = r.id,
                           .level = level,
                           .layer = change.name,
                           .metric_name = r.metric_name,
                           .value = value.value,
                           .threshold = *limit,
                           .baseline = metric::missing("no baseline"),
                           .message = fmt::format("{}: {} {} {}", r.label, with_unit(value.value, r.unit), to_string(r.compare),
                                                  with_unit(*limit, r.unit)),
                           .meaning = r.meaning,
                           .remedy = r.remedy};
    }
    return std::nullopt;
}

}  // namespace detail

/// Every rule put to every change: what is found, critical first, then warning, then info; within one in the order of `changes`.
[[nodiscard]] inline std::vector<finding> judge_changes(std::span<const layer_change> changes, std::span<const change_rule> rules)
{
    std::vector<finding> found;
    for (const layer_change& change : changes) {
        std::vector<finding> here;
        for (const change_rule& r : rules)
            if (auto f = detail::finding_of(r, change))
                here.push_back(std::move(*f));
        for (finding& f : here) {
            const auto r = std::find_if(rules.begin(), rules.end(), [&](const change_rule& rule) { return rule.id == f.rule_id; });
            const bool explained = !r->explained_by.empty()
                                   && std::any_of(here.begin(), here.end(), [&](const finding& other) { return other.rule_id == r->explained_by; });
            if (!explained)
                found.push_back(f);
        }
    }
    std::stable_sort(found.begin(), found.end(), [](const finding& a, const finding& b) { return a.level > b.level; });
    return found;
}

/// The table `rules` with one limit changed; std::nullopt removes it.
/// @throws std::invalid_argument  no rule has that id; the message lists those that there are
[[nodiscard]] inline std::vector<change_rule> override_threshold(std::vector<change_rule> rules, std::string_view id, severity level,
                                                                 std::optional<double> limit)
{
    std::string known;
    for (change_rule& candidate : rules) {
        if (candidate.id == id) {
            (level == severity::critical  ? candidate.critical
             : level == severity::warning ? candidate.warning
                                          : candidate.info) = limit;
            return rules;
        }
        known += (known.empty() ? "" : ", ") + candidate.id;
    }
    require(false, "override_threshold(rules, id): there is no rule '{}'; the rules are {}", id, known);
    return rules;
}

}  // namespace weightscope
