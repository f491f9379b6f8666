#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

namespace detail {

inline void append_error(ordered_json& object, const quantization_error& error)
{
    for_each_figure(error, [&](const char* name, const metric& figure) { append_metric(object, name, figure, false); });
    append_member(object, "non_finite_count", error.sums.non_finite_count);
}

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_figures& figures, std::uint64_t stored)
{
    const storage_size& size = figures.storage;
    ordered_json object = {{"bytes", size.bytes()},
                           {"code_bytes", size.code_bytes},
                           {"scale_bytes", size.scale_bytes},
                           {"zero_point_bytes", size.zero_point_bytes},
                           {"bits_per_weight", size.bits_per_weight()},
                           {"compression_ratio", json_number(static_cast<double>(stored) / static_cast<double>(size.bytes()))}};
    append_error(object, figures.error);
    if (figures.spectrum)
        append_member(object, "spectrum", json_of(*figures.spectrum));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_result& study, const study_layer& layer)
{
    ordered_json object = {{"shape", layer.shape},
                           {"dtype", layer.dtype},
                           {"parameters", layer.parameters},
                           {"bytes", layer.bytes},
                           {"transposed", layer.transposed},
                           {"first", layer.first},
                           {"last", layer.last}};
    for (const auto& [name, text] : {std::pair{"tied_to", &layer.tied_to}, std::pair{"duplicate_of", &layer.duplicate_of},
                                     std::pair{"kept", &layer.kept}, std::pair{"error", &layer.error}})
        if (!text->empty())
            append_member(object, name, *text);
    if (layer.figures.empty())
        return object;
    append_member(object, "seconds", layer.seconds);
    ordered_json schemes = ordered_json::object();
    for (std::size_t s = 0; s < layer.figures.size(); ++s)
        append_member(schemes, to_string(study.schemes[s]), json_of(layer.figures[s], layer.bytes));
    append_member(object, "schemes", std::move(schemes));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_result& study, const variant_result& variant)
{
    ordered_json object = {{"name", variant.name}, {"skip_first_last", variant.skip_first_last}, {"bytes", variant.bytes}};
    append_metric(object, "compression_ratio", variant.compression_ratio, false);
    append_metric(object, "bits_per_weight", variant.bits_per_weight, false);
    append_error(object, variant.error);
    append_member(object, "quantized_layers", variant.quantized_count);
    append_member(object, "worst_layer",
                  variant.worst_layer == kept_as_stored ? ordered_json(nullptr) : ordered_json(study.layers[variant.worst_layer].name));
    append_metric(object, "worst_error", variant.worst_error, false);
    append_member(object, "on_frontier", variant.on_frontier);
    if (variant.quality)
        append_member(object, "quality", json_of(*variant.quality));
    ordered_json picks = ordered_json::object();
    unique_names unique;
    for (std::size_t i = 0; i < variant.picks.size(); ++i) {
        const layer_pick& pick = variant.picks[i];
        const bool kept = pick.scheme == kept_as_stored;
        append_member(picks, unique(study.layers[i].name),
                      {{"scheme", kept ? ordered_json(nullptr) : ordered_json(to_string(study.schemes[pick.scheme]))}, {"reason", pick.reason}});
    }
    append_member(object, "picks", std::move(picks));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_options& options)
{
    ordered_json variants = ordered_json::array();
    for (const study_variant& variant : options.variants)
        variants.push_back({{"name", variant.name},
                            {"scheme", to_string(variant.normal)},
                            {"sensitive_scheme", to_string(variant.sensitive)},
                            {"sensitive_layers", variant.sensitive_layers},
                            {"skip_first_last", variant.skip_first_last}});
    return {{"variants", std::move(variants)},
            {"search_groups", options.search_groups},
            {"search_bits", options.search_bits},
            {"max_error", options.max_error ? json_number(*options.max_error) : ordered_json(nullptr)},
            {"error_metric", to_string(options.error_metric)},
            {"skip_first_last", options.skip_first_last},
            {"embeddings", options.embeddings},
            {"vectors", options.vectors},
            {"include", options.include},
            {"exclude", options.exclude},
            {"restrict", options.restrict_to},
            {"threads", options.threads},
            {"orientation", name_of(options.orientation)},
            {"max_loss_increase", json_number(options.max_loss_increase)}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const study_knob& knob)
{
    ordered_json object = {{"knob", knob.knob}, {"from", knob.from}, {"to", knob.to}};
    append_metric(object, "error_change_db", knob.error_change_db, false);
    append_member(object, "bytes_change", knob.bytes_change);
    return object;
}

// What a chart of size against error shows.
inline ordered_json chart_of(const quantization_study_result& study)
{
    ordered_json points = ordered_json::array();
    for (const variant_result& variant : study.variants) {
        ordered_json point = {{"name", variant.name}, {"bytes", variant.bytes}};
        append_metric(point, "relative_error", variant.error.relative_error, false);
        append_member(point, "on_frontier", variant.on_frontier);
        points.push_back(std::move(point));
    }
    return {{"x", "bytes"}, {"y", "relative_error"}, {"points", std::move(points)}};
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const quantization_study_result& study)
{
    using nlohmann::ordered_json;
    ordered_json layers = ordered_json::object(), variants = ordered_json::array(), knobs = ordered_json::array(), schemes = ordered_json::array();
    detail::unique_names unique;
    for (const study_layer& layer : study.layers)
        detail::append_member(layers, unique(layer.name), detail::json_of(study, layer));
    for (const variant_result& variant : study.variants)
        variants.push_back(detail::json_of(study, variant));
    for (const study_knob& knob : study.knobs)
        knobs.push_back(detail::json_of(knob));
    for (const scheme& s : study.schemes)
        schemes.push_back(to_string(s));
    const auto name_or_null = [](const std::string& name) { return name.empty() ? ordered_json(nullptr) : ordered_json(name); };

    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/quantize/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "model", detail::json_of(study.model));
    detail::append_member(document, "settings", detail::json_of(study.settings));
    detail::append_member(document, "environment", detail::json_of(study.environment));
    detail::append_member(document, "seconds", detail::json_number(study.seconds));
    detail::append_member(document, "first_layer", name_or_null(study.first_layer));
    detail::append_member(document, "last_layer", name_or_null(study.last_layer));
    detail::append_member(document, "schemes", std::move(schemes));
    detail::append_member(document, "layers", std::move(layers));
    detail::append_member(document, "variants", std::move(variants));
    detail::append_member(document, "best_accuracy", study.variants[study.best_accuracy].name);
    detail::append_member(document, "smallest", study.variants[study.smallest].name);
    detail::append_member(document, "recommended", study.variants[study.recommended].name);
    detail::append_member(document, "recommended_because", study.recommended_because);
    if (study.evaluation)
        detail::append_member(document, "evaluation", detail::json_of(*study.evaluation));
    if (study.activations)
        detail::append_member(document, "activations", detail::json_of(*study.activations));
    detail::append_member(document, "knobs", std::move(knobs));
    detail::append_member(document, "chart", detail::chart_of(study));
    return document;
}

}  // namespace weightscope
