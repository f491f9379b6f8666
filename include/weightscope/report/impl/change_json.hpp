#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/change_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const change_rule& r)
{
    const auto limit = [](const std::optional<double>& value) { return value ? json_number(*value) : ordered_json(nullptr); };
    return {{"id", r.id},
            {"metric", r.metric_name},
            {"label", r.label},
            {"comparison", to_string(r.compare)},
            {"info", limit(r.info)},
            {"warning", limit(r.warning)},
            {"critical", limit(r.critical)},
            {"unit", r.unit},
            {"meaning", r.meaning},
            {"remedy", r.remedy}};
}

WEIGHTSCOPE_INLINE void append_findings(ordered_json& object, std::span<const finding> findings, std::span<const change_rule> rules)
{
    for (const severity level : {severity::critical, severity::warning, severity::info}) {
        ordered_json list = ordered_json::array();
        for (const finding& f : findings)
            if (f.level == level)
                list.push_back(json_of(f));
        append_member(object, std::string(to_string(level)), std::move(list));
    }
    ordered_json table = ordered_json::array();
    for (const change_rule& r : rules)
        table.push_back(json_of(r));
    append_member(object, "rules", std::move(table));
}

}  // namespace weightscope::detail
