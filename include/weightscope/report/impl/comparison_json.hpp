#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/change_json.hpp>
#include <weightscope/report/comparison_json.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const compared_model& m)
{
    return {{"path", m.path},     {"format", m.format},         {"kind", m.weights ? "model" : "scan"},
            {"tensors", m.tensors}, {"parameters", m.parameters}, {"files", m.files},
            {"bytes", m.bytes}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const comparison_thresholds& t)
{
    return {{"matched_fraction", t.matched_fraction}, {"related_cosine", t.related_cosine}, {"quantized_cosine", t.quantized_cosine},
            {"grid_kurtosis", t.grid_kurtosis},       {"grid_levels", t.grid_levels},       {"few_levels", t.few_levels},
            {"low_rank_fraction", t.low_rank_fraction}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const compare_weights_result& w)
{
    ordered_json o = {{"count", w.count}, {"non_finite_count", w.non_finite_count}, {"appeared_count", w.appeared_count}};
    append_metric(o, "l2_distance", w.l2_distance, false);
    append_metric(o, "relative_l2_distance", w.relative_l2_distance, false);
    append_metric(o, "cosine_similarity", w.cosine_similarity, false);
    append_metric(o, "mean_absolute_difference", w.mean_absolute_difference, false);
    append_metric(o, "max_absolute_difference", w.max_absolute_difference, false);
    append_metric(o, "significant_change_percentage", w.significant_change_percentage, false);
    append_metric(o, "changed_percentage", w.changed_percentage, false);
    append_metric(o, "zeroed_percentage", w.zeroed_percentage, false);
    append_metric(o, "l2_norm_ratio", w.l2_norm_ratio, false);
    append_metric(o, "sqnr_db", w.sqnr_db, false);
    ordered_json stats = ordered_json::object();
    append_metric(stats, "mean", w.difference_stats.mean, false);
    append_metric(stats, "std", w.difference_stats.std, false);
    append_metric(stats, "min", w.difference_stats.min, false);
    append_metric(stats, "max", w.difference_stats.max, false);
    append_member(o, "difference_stats", std::move(stats));
    append_member(o, "changed_bits", w.changed_bits);
    ordered_json drift = ordered_json::object(), rows = ordered_json::array();
    append_metric(drift, "median", w.median_channel_drift, false);
    append_metric(drift, "max", w.max_channel_drift, false);
    append_member(drift, "max_channel", w.max_channel);
    for (const double x : w.channel_drift)
        rows.push_back(json_number(x));
    append_member(drift, "channels", std::move(rows));
    append_member(o, "channel_drift", std::move(drift));
    append_member(o, "grid", {{"kurtosis", json_number(w.grid.kurtosis)}, {"levels_a", w.grid.levels_a}, {"levels_b", w.grid.levels_b}});
    if (w.difference) {
        append_member(o, "difference", json_of(*w.difference));
        append_metric(o, "rank_above_rounding", w.rank_above_rounding, true);
    }
    if (w.angles) {
        ordered_json angles = {{"left", w.angles->left}, {"right", w.angles->right}};
        if (!w.angles->reason.empty())
            append_member(angles, "reason", w.angles->reason);
        append_member(o, "principal_angles", std::move(angles));
    }
    return o;
}

inline void append_scans(ordered_json& o, const scan_difference& d)
{
    append_metric(o, "mean_diff", d.mean_diff, false);
    append_metric(o, "std_diff", d.std_diff, false);
    append_metric(o, "l2_norm_ratio", d.l2_norm_ratio, false);
    append_metric(o, "max_abs_change", d.max_abs_change, false);
    ordered_json spectral = ordered_json::object(), figures = ordered_json::object();
    append_metric(spectral, "condition_number_ratio", d.condition_number_ratio, false);
    append_metric(spectral, "stable_rank_diff", d.stable_rank_diff, false);
    append_metric(spectral, "stable_rank_ratio", d.stable_rank_ratio, false);
    append_member(o, "spectral_diff", std::move(spectral));
    append_metric(o, "change_score", d.change_score, false);
    for (const figure_pair& f : d.figures) {
        ordered_json pair = ordered_json::object();
        append_metric(pair, "model1", f.a, false);
        append_metric(pair, "model2", f.b, false);
        append_member(figures, f.name, std::move(pair));
    }
    append_member(o, "figures", std::move(figures));
}

WEIGHTSCOPE_INLINE ordered_json json_of(const compared_layer& layer)
{
    ordered_json o = {{"name_in_model2", layer.name_b},
                      {"matched_by", to_string(layer.how)},
                      {"relation", to_string(layer.relation)},
                      {"evidence", layer.evidence},
                      {"shape", layer.shape},
                      {"shape_in_model2", layer.shape_b},
                      {"dtype", layer.dtype},
                      {"dtype_in_model2", layer.dtype_b},
                      {"parameters", layer.parameters},
                      {"reshaped", layer.reshaped},
                      {"transposed", layer.transposed}};
    if (!layer.counted_with.empty())
        append_member(o, "counted_with", layer.counted_with);
    if (!layer.error.empty())
        append_member(o, "error", layer.error);
    if (layer.weights)
        append_member(o, "weights", json_of(*layer.weights));
    if (layer.scans)
        append_scans(o, *layer.scans);
    return o;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<unmatched_tensor>& tensors)
{
    ordered_json list = ordered_json::array();
    for (const unmatched_tensor& t : tensors) {
        list.push_back({{"name", t.name}, {"shape", t.shape}, {"dtype", t.dtype}, {"parameters", t.parameters}});
        if (!t.equal_to.empty())
            append_member(list.back(), "equal_to", t.equal_to);
    }
    return list;
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const comparison_result& r)
{
    using nlohmann::ordered_json;
    ordered_json layers = ordered_json::object(), changed = ordered_json::array();
    detail::unique_names unique;
    for (const compared_layer& layer : r.layers)
        detail::append_member(layers, unique(layer.name), detail::json_of(layer));
    for (const compared_layer* layer : most_changed_layers(r, r.layers.size()))
        changed.push_back(layer->name);
    ordered_json o = ordered_json::object();
    detail::append_member(o, "schema", "weightscope/compare/1");
    detail::append_member(o, "version", version);
    detail::append_member(o, "model1", detail::json_of(r.a));
    detail::append_member(o, "model2", detail::json_of(r.b));
    detail::append_member(o, "thresholds", detail::json_of(r.thresholds));
    detail::append_member(o, "seconds", detail::json_number(r.seconds));
    detail::append_member(o, "relation", to_string(r.relation));
    detail::append_member(o, "evidence", r.evidence);
    detail::append_metric(o, "cosine_similarity", r.cosine_similarity, false);
    detail::append_metric(o, "relative_l2_distance", r.relative_l2_distance, false);
    detail::append_member(o, "common_layers", r.layers.size());
    detail::append_member(o, "only_in_model1", detail::json_of(r.only_in_a));
    detail::append_member(o, "only_in_model2", detail::json_of(r.only_in_b));
    detail::append_member(o, "layer_comparisons", std::move(layers));
    detail::append_member(o, "most_changed", std::move(changed));
    detail::append_findings(o, r.findings, r.rules);
    return o;
}

}  // namespace weightscope
