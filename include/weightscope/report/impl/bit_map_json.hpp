#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/bit_map_json.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<binade_count>& binades)
{
    ordered_json list = ordered_json::array();
    for (const binade_count& b : binades)
        list.push_back({b.exponent, b.count});
    return list;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_position& position)
{
    ordered_json object = {{"part", position.part},
                           {"bit", position.bit},
                           {"class", to_string(position.kind)},
                           {"weights_per_flip", position.weights_per_flip},
                           {"flips", position.flip_count},
                           {"nan_count", position.nan_count},
                           {"infinite_count", position.infinite_count},
                           {"unchanged_count", position.unchanged_count}};
    append_metric(object, "max_change", position.max_change, false);
    if (position.max_change.exists())
        append_member(object, "max_at",
                      {{"flat", position.max_index}, {"old", json_number(position.max_old)}, {"new", json_number(position.max_new)}});
    append_metric(object, "mean_change", position.mean_change, false);
    append_metric(object, "rms_change", position.rms_change, false);
    append_member(object, "above_max_count", position.above_max_count);
    append_member(object, "above_rms_count", position.above_rms_count);
    append_member(object, "changes", json_of(position.changes));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const tensor_bit_map& tensor)
{
    ordered_json object = {{"shape", tensor.shape}, {"dtype", tensor.dtype}, {"parameters", tensor.parameters}, {"bytes", tensor.bytes}};
    for (const auto& [name, text] :
         {std::pair{"tied_to", &tensor.tied_to}, std::pair{"part_of", &tensor.part_of}, std::pair{"skipped", &tensor.skipped}})
        if (!text->empty())
            append_member(object, name, *text);
    if (!tensor.skipped.empty() || !tensor.tied_to.empty())
        return object;
    append_member(object, "nonfinite_count", tensor.map.nonfinite_count);
    append_member(object, "zero_count", tensor.map.zero_count);
    append_member(object, "max_magnitude", json_number(tensor.map.max_magnitude));
    append_member(object, "rms", json_number(tensor.map.rms));
    append_member(object, "exponents", json_of(tensor.map.exponents));
    ordered_json bits = ordered_json::array();
    for (const bit_position& position : tensor.map.positions)
        bits.push_back(json_of(position));
    append_member(object, "bits", std::move(bits));
    return object;
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_map_study_result& study)
{
    using nlohmann::ordered_json;
    ordered_json tensors = ordered_json::object();
    detail::unique_names unique;
    for (const tensor_bit_map& tensor : study.tensors)
        detail::append_member(tensors, unique(tensor.name), detail::json_of(tensor));
    const bit_map_study_options& settings = study.settings;
    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/bits_map/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "model", detail::json_of(study.model));
    detail::append_member(document, "settings",
                          {{"bitset", settings.bitset},
                           {"rms_factor", settings.rms_factor},
                           {"include", settings.include},
                           {"exclude", settings.exclude},
                           {"restrict", settings.restrict_to},
                           {"threads", settings.threads}});
    detail::append_member(document, "environment", detail::json_of(study.environment));
    detail::append_member(document, "seconds", detail::json_number(study.seconds));
    detail::append_member(document, "tensors", std::move(tensors));
    return document;
}

}  // namespace weightscope
