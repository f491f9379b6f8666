#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/prune_json.hpp>
#include <weightscope/scorers/group_scores.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

namespace detail {

inline void append_interval(ordered_json& object, const std::string& name, const bootstrap_figure& figure)
{
    append_metric(object, name, figure.value, false);
    append_metric(object, name + "_lower", figure.lower, false);
    append_metric(object, name + "_upper", figure.upper, false);
}

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_validation& validation)
{
    const validation_result& v = validation.result;
    ordered_json object = {{"part", validation.part}, {"method", validation.method}, {"chosen", validation.chosen}, {"samples", v.items.size()}};
    append_interval(object, "spearman", v.spearman);
    append_interval(object, "kendall", v.kendall);
    append_interval(object, "spearman_magnitude", v.spearman_magnitude);
    append_interval(object, "calibration_slope", v.calibration_slope);
    append_metric(object, "top_decile_overlap", v.top_decile_overlap, false);
    append_metric(object, "bottom_decile_overlap", v.bottom_decile_overlap, false);
    append_metric(object, "sign_agreement", v.sign_agreement, false);
    append_member(object, "joint_count", v.joint_count);
    append_metric(object, "joint_change", v.joint_change, false);
    append_metric(object, "joint_sum", v.joint_sum, false);
    append_metric(object, "interaction_gap", v.interaction_gap, false);
    append_member(object, "noise", v.noise);
    append_member(object, "below_noise_count", v.below_noise_count);
    append_member(object, "non_finite_count", v.non_finite_count);
    ordered_json points = ordered_json::array();
    for (const validated_item& item : v.items)
        points.push_back({json_number(item.predicted), json_number(item.measured)});
    append_member(object, "predicted_and_measured", std::move(points));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_result& result, const prune_trial& trial)
{
    const bool groups = result.settings.unit == prune_unit::group;
    ordered_json object = {{"method", trial.method},
                           {"formula", trial.formula},
                           {"removed_parameters", trial.removed_parameters},
                           {"removed_bytes", groups ? ordered_json(trial.selection.removed_bytes) : ordered_json(nullptr)},
                           {"removed_flops_per_token", groups ? ordered_json(trial.selection.removed_flops) : ordered_json(nullptr)},
                           {"removed_groups", groups ? ordered_json(trial.selection.removed.size()) : ordered_json(nullptr)},
                           {"target_ratio", groups ? trial.selection.target_ratio : result.settings.selection.ratio},
                           {"actual_ratio", trial.actual_ratio},
                           {"reached", !groups || trial.selection.reached},
                           {"tied_count", trial.tied_count},
                           {"unscored_count", trial.unscored_count}};
    const prune_evidence& evidence = trial.evidence;
    append_member(object, "comparison_group", evidence.comparison);
    append_member(object, "normalisation", evidence.normalisation);
    append_member(object, "source", evidence.source.empty() ? ordered_json(nullptr) : ordered_json(evidence.source));
    append_member(object, "batches", evidence.batches);
    append_member(object, "samples", evidence.samples);
    append_member(object, "seed", result.settings.seed);
    append_metric(object, "relative_standard_error", evidence.relative_standard_error, false);
    append_metric(object, "overlap", trial.overlap, false);
    ordered_json shares = ordered_json::array();
    for (const prune_share& share : trial.shares)
        shares.push_back({{"name", share.name}, {"parameters", share.parameters}, {"removed", share.removed}, {"method", share.method}});
    append_member(object, "shares", std::move(shares));
    append_member(object, "after", measured_json(trial.after));
    ordered_json validation = ordered_json::array();
    for (const prune_validation& v : trial.validation)
        validation.push_back(json_of(v));
    append_member(object, "validation", std::move(validation));
    append_member(object, "losses", trial.counts.losses);
    append_member(object, "seconds", trial.seconds);
    append_member(object, "collecting_seconds", trial.collecting_seconds);
    append_metric(object, "peak_bytes", trial.peak_bytes, true);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_result& result, const layer_selection& layer)
{
    ordered_json object = {{"layer", layer.layer}, {"parameters", layer.parameters}, {"removed_parameters", layer.removed_parameters}};
    ordered_json kinds = ordered_json::object();
    for (const auto& share : layer.families) {
        const group_family& family = result.groups.families[share.family];
        append_member(kinds, std::string(to_string(family.kind)), {{"groups", family.unit_count}, {"removed", share.removed}});
    }
    append_member(object, "kinds", std::move(kinds));
    return object;
}

// What a chart of the groups' scores shows, family by family.
inline ordered_json groups_json(const prune_result& result)
{
    const prune_trial& trial = result.chosen();
    const std::vector<std::size_t> first = first_groups(result.groups);
    std::vector<std::vector<std::size_t>> removed(result.groups.families.size());
    for (const group_place& place : trial.selection.removed)
        removed[place.family].push_back(place.unit);
    ordered_json list = ordered_json::array();
    for (std::size_t f = 0; f < result.groups.families.size(); ++f) {
        const group_family& family = result.groups.families[f];
        const auto numbers = [&](const std::vector<double>& values) {
            ordered_json out = ordered_json::array();
            for (std::size_t u = 0; u < family.unit_count; ++u)
                out.push_back(json_number(values[first[f] + u]));
            return out;
        };
        list.push_back({{"layer", family.layer},
                        {"kind", to_string(family.kind)},
                        {"parameters", family.parameters},
                        {"bytes", family.bytes},
                        {"flops_per_token", family.flops_per_token},
                        {"removed", removed[f]},
                        {"importance", numbers(trial.scores.importance)},
                        {"standard_error", trial.scores.standard_errors.empty() ? ordered_json(nullptr) : numbers(trial.scores.standard_errors)},
                        {"score", numbers(trial.scores.scores)}});
    }
    return list;
}

inline ordered_json settings_json(const study_pruning_options& options)
{
    ordered_json methods = ordered_json::array(), kinds = ordered_json::array();
    for (const prune_method& method : options.methods)
        methods.push_back(method.name);
    for (const group_kind kind : options.groups.kinds)
        kinds.push_back(to_string(kind));
    const selection_options& s = options.selection;
    const bool budget = s.parameters || s.bytes;
    return {{"methods", std::move(methods)},
            {"unit", to_string(options.unit)},
            {"kinds", options.unit == prune_unit::group ? std::move(kinds) : ordered_json::array()},
            {"ratio", budget ? ordered_json(nullptr) : ordered_json(s.ratio)},
            {"parameters", s.parameters ? ordered_json(*s.parameters) : ordered_json(nullptr)},
            {"bytes", s.bytes ? ordered_json(*s.bytes) : ordered_json(nullptr)},
            {"pattern", options.unit == prune_unit::nm ? ordered_json(to_string(options.nm)) : ordered_json(nullptr)},
            {"reduction", to_string(options.group_scores.reduction)},
            {"per_parameter", options.group_scores.per_parameter},
            {"freeze_first", s.freeze_first},
            {"freeze_last", s.freeze_last},
            {"freeze_layers", s.freeze_layers},
            {"least_kept", s.least_kept},
            {"most_per_layer", s.most_per_layer},
            {"uniform", s.uniform},
            {"curvature", options.curvature == curvature_input::fisher ? "fisher" : "hessian"},
            {"probes", options.probes},
            {"resolution", options.resolution},
            {"validate", options.validate},
            {"drop_first_of", options.drop_first_of},
            {"include", options.names.include},
            {"exclude", options.names.exclude},
            {"restrict", options.names.restrict_to},
            {"threads", options.threads},
            {"seed", options.seed}};
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const prune_result& result)
{
    using nlohmann::ordered_json;
    ordered_json methods = ordered_json::array(), layers = ordered_json::array();
    for (const prune_trial& trial : result.trials)
        methods.push_back(detail::json_of(result, trial));
    for (const layer_selection& layer : result.chosen().selection.layers)
        layers.push_back(detail::json_of(result, layer));
    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/prune/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "model",
                          {{"path", result.model_path},
                           {"format", result.format},
                           {"architecture", result.architecture},
                           {"tensors", result.groups.tensors.size()},
                           {"layers", result.groups.layer_count},
                           {"parameters", result.groups.parameters},
                           {"bytes", result.groups.bytes},
                           {"prunable_parameters", result.prunable_parameters}});
    detail::append_member(document, "settings", detail::settings_json(result.settings));
    detail::append_member(document, "environment",
                          detail::json_of(with_threads(result.settings.threads, [] { return current_environment(); })));
    detail::append_member(document, "seconds", detail::json_number(result.seconds));
    detail::append_member(document, "notes", result.notes);
    detail::append_member(document, "calibration_fingerprint",
                          result.fingerprint.empty() ? ordered_json(nullptr) : ordered_json(result.fingerprint));
    detail::append_member(document, "before", detail::measured_json(result.before));
    detail::append_member(document, "methods", std::move(methods));
    detail::append_member(document, "layers", std::move(layers));
    detail::append_member(document, "groups", result.settings.unit == prune_unit::group ? detail::groups_json(result) : ordered_json::array());
    return document;
}

}  // namespace weightscope
