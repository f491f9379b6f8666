#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/number_text.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const model_quality& quality)
{
    ordered_json object = ordered_json::object();
    for_each_figure(quality, [&](const char* name, const metric& figure) { append_metric(object, name, figure, false); });
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<named_metric>& figures)
{
    ordered_json list = ordered_json::array();
    for (const named_metric& figure : figures) {
        ordered_json one = {{"name", figure.name}, {"higher_is_better", figure.higher_is_better}};
        append_metric(one, "value", figure.value, false);
        list.push_back(std::move(one));
    }
    return list;
}

WEIGHTSCOPE_INLINE ordered_json measured_json(const model_quality& quality)
{
    ordered_json object = json_of(quality);
    append_member(object, "figures", json_of(quality.figures));
    return object;
}

}  // namespace weightscope::detail
