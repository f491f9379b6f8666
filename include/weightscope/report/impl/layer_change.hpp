#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE const std::optional<double>& change_rule::limit(severity level) const
{
    return level == severity::critical ? critical : level == severity::warning ? warning : info;
}

namespace detail {

WEIGHTSCOPE_INLINE std::optional<finding> finding_of(const change_rule& r, const layer_change& change)
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

WEIGHTSCOPE_INLINE std::vector<finding> judge_changes(std::span<const layer_change> changes, std::span<const change_rule> rules)
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

WEIGHTSCOPE_INLINE std::vector<change_rule> override_threshold(std::vector<change_rule> rules, std::string_view id, severity level,
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
