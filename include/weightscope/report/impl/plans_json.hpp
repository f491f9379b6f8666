#pragma once

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/plans_json.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const scan_result& scan, const quantization_plan& quantization, const compression_plan& compression)
{
    using nlohmann::ordered_json;
    ordered_json formats = ordered_json::array(), quantized = ordered_json::array(), compressed = ordered_json::array();
    for (const format_share& share : quantization.formats)
        formats.push_back({{"format", share.format}, {"layers", share.layer_count}, {"parameters", share.parameters}});
    for (const planned_layer& layer : quantization.layers)
        quantized.push_back({{"name", layer.name}, {"format", layer.format}, {"bits", layer.bits}, {"reason", layer.reason}});
    for (const compressed_layer& layer : compression.layers)
        compressed.push_back({{"name", layer.name},
                              {"method", layer.method},
                              {"rank", layer.rank},
                              {"parameters", layer.parameters},
                              {"factor_parameters", layer.factor_parameters},
                              {"reason", layer.reason}});
    ordered_json quantize = {{"bits", scan.settings.bits}, {"group_size", scan.settings.group_size}};
    detail::append_metric(quantize, "bits_per_weight", quantization.bits_per_weight, false);
    detail::append_member(quantize, "formats", std::move(formats));
    detail::append_member(quantize, "layers", std::move(quantized));
    return {{"schema", "weightscope/plans/1"},
            {"version", version},
            {"model", detail::json_of(scan.model)},
            {"quantization", std::move(quantize)},
            {"compression",
             {{"parameters", compression.parameters}, {"planned_parameters", compression.planned_parameters}, {"layers", std::move(compressed)}}}};
}

}  // namespace weightscope
