#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_csv.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const allocation_plan& plan)
{
    std::string text = "layer,shape,dtype,parameters,stored_bytes,format,bytes,reason,item,loss,standard_error,margin,rival,flips\n";
    std::vector<std::size_t> item_of(plan.study.layers.size(), kept_as_stored);
    for (std::size_t g = 0; g < plan.items.size(); ++g)
        for (const std::size_t i : plan.items[g].layers)
            item_of[i] = g;
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        const layer_pick& pick = plan.study.variants[plan.variant].picks[i];
        text += fmt::format("{},{},{},{},{},{},{},{},", detail::quoted(layer.name), fmt::join(layer.shape, "x"), layer.dtype, layer.parameters, layer.bytes,
                            detail::plan_format_name(plan, pick.scheme), detail::bytes_of_pick(layer, pick), detail::quoted(pick.reason));
        if (item_of[i] == kept_as_stored) {
            text += ",,,,,\n";
            continue;
        }
        const plan_item& item = plan.items[item_of[i]];
        const plan_option& option = detail::chosen_option(item);
        text += fmt::format("{},{},{},{},{},{}\n", item_of[i], detail::csv_number(option.loss), detail::csv_number(option.standard_error),
                            detail::csv_number(item.margin.margin), detail::plan_format_name(plan, item.options[item.margin.rival].scheme),
                            item.margin.flips ? "true" : "false");
    }
    return text;
}

}  // namespace weightscope
