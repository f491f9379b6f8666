#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_number(double value)
{
    return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

WEIGHTSCOPE_INLINE void append_member(ordered_json& object, std::string key, ordered_json value)
{
    object.get_ref<ordered_json::object_t&>().emplace_back(std::move(key), std::move(value));
}

WEIGHTSCOPE_INLINE void append_metric(ordered_json& object, std::string_view name, const metric& number, bool whole)
{
    const bool exists = number.exists() && std::isfinite(number.value);
    append_member(object, std::string(name),
                  !exists ? ordered_json(nullptr)
                  : whole ? ordered_json(std::llround(number.value))
                          : ordered_json(number.value));
    if (!exists)
        append_member(object, fmt::format("{}_reason", name), number.exists() ? "not finite" : number.reason);
}

WEIGHTSCOPE_INLINE ordered_json json_of(const finding& f)
{
    ordered_json object = {{"rule", f.rule_id},
                           {"layer", f.layer.empty() ? ordered_json(nullptr) : ordered_json(f.layer)},
                           {"metric", f.metric_name},
                           {"value", json_number(f.value)},
                           {"threshold", json_number(f.threshold)}};
    append_metric(object, "baseline", f.baseline, false);
    append_member(object, "message", f.message);
    append_member(object, "meaning", f.meaning);
    append_member(object, "remedy", f.remedy);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const rule_outcome& outcome)
{
    const rule& r = outcome.judged_by;
    const auto limit = [](const std::optional<double>& value) {
        return value ? json_number(*value) : ordered_json(nullptr);
    };
    return {{"id", r.id},
            {"metric", r.metric_name},
            {"label", r.label.empty() ? r.metric_name : r.label},
            {"comparison", to_string(r.compare)},
            {"info", limit(r.info)},
            {"warning", limit(r.warning)},
            {"critical", limit(r.critical)},
            {"times_baseline", r.times_baseline},
            {"unit", r.unit},
            {"explained_by", r.explained_by},
            {"score_limit", r.score_limit},
            {"meaning", r.meaning},
            {"remedy", r.remedy},
            {"judged", outcome.judged_count},
            {"missing", outcome.missing_count},
            {"findings", outcome.finding_count}};
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const health_result& health)
{
    using nlohmann::ordered_json;
    ordered_json object = {
        {"score", health.score}, {"grade", to_string(health.grade)}, {"recommendation", health.recommendation}};
    if (!health.limited_by.empty())
        detail::append_member(object, "limited_by", health.limited_by);
    for (const severity level : {severity::critical, severity::warning, severity::info}) {
        ordered_json list = ordered_json::array();
        for (const finding& f : health.findings)
            if (f.level == level)
                list.push_back(detail::json_of(f));
        detail::append_member(object, std::string(to_string(level)), std::move(list));
    }
    ordered_json layers = ordered_json::object(), rules = ordered_json::array();
    detail::unique_names unique;
    for (const layer_health& layer : health.layers)
        detail::append_member(layers, unique(layer.name), {{"score", layer.score}, {"grade", to_string(layer.grade)}});
    for (const rule_outcome& outcome : health.rules)
        rules.push_back(detail::json_of(outcome));
    detail::append_member(object, "layers", std::move(layers));
    detail::append_member(object, "rules", std::move(rules));
    return object;
}

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const scan_result& scan, const health_result& health)
{
    using nlohmann::ordered_json;
    ordered_json layers = ordered_json::object();
    detail::unique_names unique;
    for (const layer_result& layer : scan.layers)
        detail::append_member(layers, unique(layer.name), detail::json_of(layer));

    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/scan/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "model", detail::json_of(scan.model));
    detail::append_member(document, "settings", detail::json_of(scan.settings));
    detail::append_member(document, "environment", detail::json_of(scan.environment));
    detail::append_member(document, "seconds", detail::json_number(scan.seconds));
    detail::append_member(document, "layers", std::move(layers));
    detail::append_member(document, "health", to_json(health));
    return document;
}

WEIGHTSCOPE_INLINE std::string to_text(const nlohmann::ordered_json& document)
{
    return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace weightscope
