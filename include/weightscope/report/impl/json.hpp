#pragma once

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

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
