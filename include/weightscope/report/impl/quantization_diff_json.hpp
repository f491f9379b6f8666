#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/quantization_diff_json.hpp>
#include <weightscope/report/quantization_diff_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_group_difference& group)
{
    return {{"group", group.group},
            {"row", group.row},
            {"column", group.column},
            {"size", group.size},
            {"differing_count", group.differing_count},
            {"first_squared_error", json_number(group.first_squared_error)},
            {"second_squared_error", json_number(group.second_squared_error)},
            {"worst_column", group.worst_column},
            {"weight", json_number(group.weight)},
            {"first_value", json_number(group.first_value)},
            {"second_value", json_number(group.second_value)}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_difference& d, const scheme& second)
{
    ordered_json object = {{"scheme", to_string(second)}};
    append_metric(object, "first_sqnr_db", d.first_sqnr_db, false);
    append_metric(object, "second_sqnr_db", d.second_sqnr_db, false);
    append_metric(object, "change_db", d.change_db, false);
    append_member(object, "weights", d.weight_count);
    append_member(object, "differing_values", d.differing_count);
    append_metric(object, "differing_fraction", d.differing_fraction, false);
    append_metric(object, "differing_codes_fraction", d.differing_codes_fraction, false);
    append_member(object, "largest_difference", json_number(d.largest_difference));
    append_member(object, "groups", d.group_count);
    append_member(object, "differing_groups", d.differing_groups);
    ordered_json listed = ordered_json::array();
    for (const scheme_group_difference& group : d.groups)
        listed.push_back(json_of(group));
    append_member(object, "first_groups", std::move(listed));
    append_member(object, "worst_group", d.worst ? json_of(*d.worst) : ordered_json(nullptr));
    return object;
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const quantization_diff_result& diff)
{
    using nlohmann::ordered_json;
    ordered_json schemes = ordered_json::array(), layers = ordered_json::object();
    for (std::size_t s = 0; s < diff.schemes.size(); ++s) {
        const quantization_diff_whole& whole = diff.wholes[s];
        ordered_json scheme = {{"name", to_string(diff.schemes[s])}};
        detail::append_metric(scheme, "sqnr_db", whole.sqnr_db, false);
        detail::append_metric(scheme, "change_db", whole.change_db, false);
        detail::append_metric(scheme, "differing_fraction", whole.differing_fraction, false);
        detail::append_member(scheme, "differing_layers", whole.differing_layers);
        detail::append_member(scheme, "reason", s == 0 ? ordered_json(nullptr) : ordered_json(whole.reason));
        schemes.push_back(std::move(scheme));
    }
    detail::unique_names unique;
    for (const quantization_diff_layer& one : diff.layers) {
        ordered_json layer = {{"shape", one.layer.shape},
                              {"dtype", one.layer.dtype},
                              {"parameters", one.layer.parameters},
                              {"transposed", one.layer.transposed}};
        for (const auto& [name, text] : {std::pair{"tied_to", &one.layer.tied_to}, std::pair{"duplicate_of", &one.layer.duplicate_of},
                                         std::pair{"kept", &one.layer.kept}, std::pair{"error", &one.layer.error}})
            if (!text->empty())
                detail::append_member(layer, name, *text);
        if (!one.differences.empty()) {
            ordered_json differences = ordered_json::array();
            for (std::size_t s = 1; s < diff.schemes.size(); ++s)
                differences.push_back(detail::json_of(one.differences[s - 1], diff.schemes[s]));
            detail::append_member(layer, "differences", std::move(differences));
        }
        detail::append_member(layers, unique(one.layer.name), std::move(layer));
    }
    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/quantize_diff/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "model", detail::json_of(diff.model));
    detail::append_member(document, "environment", detail::json_of(diff.environment));
    detail::append_member(document, "seconds", detail::json_number(diff.seconds));
    detail::append_member(document, "schemes", std::move(schemes));
    detail::append_member(document, "layers", std::move(layers));
    return document;
}

}  // namespace weightscope
