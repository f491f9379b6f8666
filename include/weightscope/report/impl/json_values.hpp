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
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope::detail {

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

}  // namespace weightscope::detail
