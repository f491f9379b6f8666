#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/sha256.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/explanation.hpp>
#include <weightscope/report/explanations.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/sarif.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string sarif_uri(std::string_view path)
{
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    std::string uri = path.starts_with('/') ? "file://" : "";
    for (const char c : path)
        uri += plain.find(c) != std::string_view::npos ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    return uri;
}

inline const char* sarif_level(severity level)
{
    return level == severity::critical ? "error" : level == severity::warning ? "warning" : "note";
}

inline const char* sarif_state(finding_state state)
{
    return state == finding_state::added ? "new" : state == finding_state::known ? "unchanged" : "updated";
}

inline ordered_json sarif_rule(const rule& r)
{
    const explanation e = explanation_of(r);
    severity worst = severity::info;
    for (const severity level : {severity::warning, severity::critical})
        if (r.limit(level))
            worst = level;
    const std::string what = r.meaning.empty() ? r.id : r.meaning;
    return {{"id", r.id},
            {"shortDescription", {{"text", what}}},
            {"fullDescription", {{"text", e.meaning}}},
            {"help", {{"text", to_text(e)}, {"markdown", fmt::format("{}\n\n**Limits:** {}\n\n**What to do:** {}", e.meaning, e.range, e.remedy)}}},
            {"defaultConfiguration", {{"level", sarif_level(worst)}}},
            {"properties", {{"tags", {"weights"}}}}};
}

// What a finding is recognised by from run to run: its rule, its layer, and which of several it is.
inline std::string sarif_fingerprint(const finding& f, std::size_t occurrence)
{
    return to_hex(sha256(fmt::format("{}\n{}\n{}", f.rule_id, f.layer, occurrence)));
}

// The files that a model lies in: the path that was scanned, then those that hold its tensors.
class sarif_artifacts
{
public:
    explicit sarif_artifacts(const scan_result& scan)
    {
        (void)index_of(scan.model.path);
        for (const layer_result& layer : scan.layers)
            by_layer_.emplace(layer.name, layer.file.empty() ? 0 : index_of(layer.file));
    }

    ordered_json location_of(const std::string& layer) const
    {
        const auto found = layer.empty() ? by_layer_.end() : by_layer_.find(layer);
        const std::size_t index = found == by_layer_.end() ? 0 : found->second;
        return {{"uri", sarif_uri(paths_[index])}, {"index", index}};
    }

    ordered_json list() const
    {
        ordered_json artifacts = ordered_json::array();
        for (const std::string& path : paths_)
            artifacts.push_back({{"location", {{"uri", sarif_uri(path)}}}, {"roles", {"analysisTarget"}}});
        return artifacts;
    }

private:
    std::size_t index_of(const std::string& path)
    {
        const auto [found, added] = places_.emplace(path, paths_.size());
        if (added)
            paths_.push_back(path);
        return found->second;
    }

    std::vector<std::string> paths_ = {};
    std::map<std::string, std::size_t> places_ = {};
    std::unordered_map<std::string_view, std::size_t> by_layer_ = {};
};

inline ordered_json sarif_location(const sarif_artifacts& artifacts, const finding& f)
{
    // services that show results beside a file's lines want a line, which a file of weights does not have
    ordered_json location = {{"physicalLocation", {{"artifactLocation", artifacts.location_of(f.layer)}, {"region", {{"startLine", 1}}}}}};
    if (!f.layer.empty())
        append_member(location, "logicalLocations", ordered_json::array({{{"name", f.layer}, {"fullyQualifiedName", f.layer}, {"kind", "tensor"}}}));
    return location;
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_sarif(const scan_result& scan, const health_result& health,
                                                   const std::optional<baseline_comparison>& baseline)
{
    using nlohmann::ordered_json;
    require(!baseline || baseline->states.size() == health.findings.size(),
            "to_sarif(scan, health, baseline): the baseline tells of {} findings, the verdict has {}", baseline ? baseline->states.size() : 0,
            health.findings.size());
    ordered_json rules = ordered_json::array(), results = ordered_json::array();
    const detail::sarif_artifacts artifacts(scan);
    std::map<std::string_view, std::size_t> index;
    for (const rule_outcome& outcome : health.rules) {
        index.emplace(outcome.judged_by.id, index.size());
        rules.push_back(detail::sarif_rule(outcome.judged_by));
    }
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> occurrences;
    for (std::size_t i = 0; i < health.findings.size(); ++i) {
        const finding& f = health.findings[i];
        const std::string where = f.layer.empty() ? "the model" : detail::harmless(f.layer);
        ordered_json result = {{"ruleId", f.rule_id}};
        if (const auto found = index.find(f.rule_id); found != index.end())
            detail::append_member(result, "ruleIndex", found->second);
        detail::append_member(result, "level", detail::sarif_level(f.level));
        detail::append_member(result, "message", {{"text", fmt::format("{}: {}; {}. {}", where, f.message, f.meaning, f.remedy)}});
        detail::append_member(result, "locations", ordered_json::array({detail::sarif_location(artifacts, f)}));
        detail::append_member(result, "partialFingerprints",
                              {{"ruleAndLayer/v1", detail::sarif_fingerprint(f, occurrences[{f.rule_id, f.layer}]++)}});
        if (baseline)
            detail::append_member(result, "baselineState", detail::sarif_state(baseline->states[i]));
        detail::append_member(result, "properties", {{"severity", to_string(f.level)}, {"metric", f.metric_name}, {"value", detail::json_number(f.value)}, {"threshold", detail::json_number(f.threshold)}});
        results.push_back(std::move(result));
    }
    const bool lost = !scan.model.lost_shards.empty()
                      || std::any_of(scan.layers.begin(), scan.layers.end(), [](const layer_result& layer) { return !layer.error.empty(); });
    ordered_json run = {{"tool", {{"driver", {{"name", "weightscope"}, {"version", version}, {"semanticVersion", version}, {"rules", std::move(rules)}}}}},
                        {"artifacts", artifacts.list()},
                        {"invocations", ordered_json::array({{{"executionSuccessful", !lost}}})},
                        {"columnKind", "unicodeCodePoints"},
                        {"results", std::move(results)},
                        {"properties", {{"score", health.score}, {"grade", to_string(health.grade)}, {"recommendation", health.recommendation}}}};
    return {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", ordered_json::array({std::move(run)})}};
}

}  // namespace weightscope
