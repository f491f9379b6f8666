#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bool crosses(double value, comparison how, double limit)
{
    switch (how) {
        case comparison::above:
            return value > limit;
        case comparison::at_least:
            return value >= limit;
        case comparison::below:
            return value < limit;
        case comparison::at_most:
            return value <= limit;
    }
    return false;
}

WEIGHTSCOPE_INLINE std::string with_unit(double value, const std::string& unit)
{
    return unit.empty() ? figure(value) : figure(value) + " " + unit;
}

WEIGHTSCOPE_INLINE std::string message_of(const rule& r, const finding& f)
{
    std::string text = fmt::format("{}: {} {} {}", r.label.empty() ? r.metric_name : r.label,
                                   with_unit(f.value, r.unit), to_string(r.compare), with_unit(f.threshold, r.unit));
    if (f.baseline.exists())
        text += r.times_baseline ? fmt::format(" ({} times a Gaussian matrix's {})", figure(*r.limit(f.level)),
                                               with_unit(f.baseline.value, r.unit))
                                 : fmt::format(" (Gaussian matrix: {})", with_unit(f.baseline.value, r.unit));
    return text;
}

WEIGHTSCOPE_INLINE std::optional<finding> finding_of(const rule& r, double value, const metric& baseline, severity worst)
{
    for (const severity level : {severity::critical, severity::warning, severity::info}) {
        const std::optional<double>& limit = r.limit(level);
        if (!limit || level > worst)
            continue;
        const double threshold = r.times_baseline ? *limit * baseline.value : *limit;
        if (crosses(value, r.compare, threshold))
            return finding{.rule_id = r.id,
                           .level = level,
                           .metric_name = r.metric_name,
                           .value = value,
                           .threshold = threshold,
                           .baseline = baseline,
                           .meaning = r.meaning};
    }
    return std::nullopt;
}

inline bool concerns(const rule& r, const layer_result& layer)
{
    return r.value && (r.judges_parts || holds_numbers(layer)) && (r.judges_copies || !layer.counted_elsewhere())
           && (!r.applies || r.applies(layer));
}

WEIGHTSCOPE_INLINE bool explained(const rule& r, const std::set<std::string>& fired)
{
    return std::any_of(r.explained_by.begin(), r.explained_by.end(),
                       [&](const std::string& cause) { return fired.contains(cause); });
}

// What the rules find in one layer, each illness once. A number that is missing for a reason that another rule tells is not missed.
inline std::vector<std::pair<finding, rule_outcome*>> findings_in(const layer_result& layer,
                                                                  std::vector<rule_outcome>& outcomes)
{
    std::vector<std::pair<finding, rule_outcome*>> found;
    std::vector<rule_outcome*> without_number;
    std::set<std::string> fired;
    for (rule_outcome& outcome : outcomes) {
        const rule& r = outcome.judged_by;
        if (!concerns(r, layer))
            continue;
        const metric value = r.value(layer), baseline = r.baseline ? r.baseline(layer) : metric::missing("no baseline");
        if (!value.exists() || (r.times_baseline && !baseline.exists())) {
            without_number.push_back(&outcome);
            continue;
        }
        ++outcome.judged_count;
        if (std::optional<finding> f = finding_of(r, value.value, baseline, r.worst ? r.worst(layer) : severity::critical)) {
            f->layer = layer.name;
            f->message = r.describe ? r.describe(layer) : message_of(r, *f);
            f->remedy = r.advise ? r.advise(layer) : r.remedy;
            fired.insert(r.id);
            found.emplace_back(std::move(*f), &outcome);
        }
    }
    for (rule_outcome* outcome : without_number)
        outcome->missing_count += !explained(outcome->judged_by, fired);
    std::erase_if(found, [&](const auto& entry) { return explained(entry.second->judged_by, fired); });
    return found;
}

inline layer_health health_of(const layer_result& layer, const std::vector<std::pair<finding, rule_outcome*>>& found)
{
    layer_health health{.name = layer.name};
    int limit = 100;
    for (const auto& [f, outcome] : found) {
        const rule& r = outcome->judged_by;
        if (f.level == severity::critical)
            limit = std::min(limit, r.score_limit);
        health.score -= f.level == severity::critical  ? r.critical_penalty
                        : f.level == severity::warning ? r.warning_penalty
                                                       : 0;
    }
    health.score = std::clamp(health.score, 0, limit);
    health.grade = grade_of(health.score);
    return health;
}

inline void require_sound(const std::vector<rule>& rules)
{
    std::set<std::string> ids;
    for (const rule& r : rules) {
        require(ids.insert(r.id).second,
                "judge(scan, rules): rule '{}' stands in the table twice; rename one, or override_threshold", r.id);
        require(static_cast<bool>(r.value) != static_cast<bool>(r.model_value),
                "judge(scan, rules): rule '{}' has {}, expected one of value and model_value", r.id,
                r.value ? "both" : "neither");
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE health_result judge(const scan_result& scan, const std::vector<rule>& rules)
{
    detail::require_sound(rules);
    health_result result;
    for (const rule& r : rules)
        result.rules.push_back({.judged_by = r});

    int limit = 100;
    const auto take = [&](finding f, rule_outcome& outcome) {
        const rule& r = outcome.judged_by;
        ++outcome.finding_count;
        if (f.level == severity::critical && r.score_limit < limit) {
            limit = r.score_limit;
            result.limited_by = r.id;
        }
        result.findings.push_back(std::move(f));
    };
    for (rule_outcome& outcome : result.rules) {
        const rule& r = outcome.judged_by;
        if (!r.model_value)
            continue;
        const metric value = r.model_value(scan);
        ++(value.exists() ? outcome.judged_count : outcome.missing_count);
        if (auto f =
                value.exists() ? detail::finding_of(r, value.value, metric::missing("no baseline")) : std::nullopt) {
            f->message = r.describe_model ? r.describe_model(scan) : detail::message_of(r, *f);
            f->remedy = r.remedy;
            take(std::move(*f), outcome);
        }
    }
    std::map<std::string, std::size_t> position;
    for (const layer_result& layer : scan.layers) {
        auto found = detail::findings_in(layer, result.rules);
        layer_health health = detail::health_of(layer, found);
        const auto original = position.find(layer.tied_to.empty() ? layer.duplicate_of : layer.tied_to);
        if (layer.counted_elsewhere() && original != position.end()
            && result.layers[original->second].score < health.score) {
            health.score = result.layers[original->second].score;
            health.grade = grade_of(health.score);
        }
        position.emplace(layer.name, result.layers.size());
        result.layers.push_back(std::move(health));
        for (auto& [f, outcome] : found)
            take(std::move(f), *outcome);
    }
    std::stable_sort(result.findings.begin(), result.findings.end(),
                     [](const finding& a, const finding& b) { return a.level > b.level; });

    const auto criticals = static_cast<int>(std::min<std::size_t>(result.count(severity::critical), 10));
    const auto warnings = static_cast<int>(std::min<std::size_t>(result.count(severity::warning), 34));
    const int score = std::max(0, 100 - 10 * criticals - 3 * warnings);
    result.score = std::min(score, limit);
    if (score <= limit)
        result.limited_by.clear();
    result.grade = grade_of(result.score);
    result.recommendation = result.score >= 80 ? "deploy" : result.score >= 60 ? "optimise first" : "do not deploy";
    return result;
}

}  // namespace weightscope
