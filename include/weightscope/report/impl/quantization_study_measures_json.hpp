#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const spectrum_effect_result& effect)
{
    ordered_json object = ordered_json::object();
    for_each_figure(effect, [&](const char* name, const metric& figure) { append_metric(object, name, figure, false); });
    append_member(object, "angle_count", effect.angle_count);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const study_evaluation& evaluation)
{
    ordered_json object = {{"before", json_of(evaluation.before)},
                           {"batches", evaluation.batches},
                           {"losses", evaluation.plan.counts.losses},
                           {"outputs", evaluation.plan.counts.outputs},
                           {"seconds", json_number(evaluation.seconds)}};
    append_metric(object, "sqnr_loss_correlation", evaluation.sqnr_loss_correlation, false);
    append_member(object, "correlated_variants", evaluation.correlated_count);
    append_member(object, "notes", evaluation.notes);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const activation_study_result& study)
{
    ordered_json trials = ordered_json::array(), layers = ordered_json::object();
    for (const activation_trial& trial : study.trials) {
        ordered_json one = {{"observer", trial.observer}};
        append_metric(one, "median_sqnr_db", trial.median_sqnr_db, false);
        append_metric(one, "worst_sqnr_db", trial.worst_sqnr_db, false);
        append_member(one, "worst_layer", trial.worst_sqnr_db.exists() ? ordered_json(study.layers[trial.worst_layer].name) : ordered_json(nullptr));
        if (trial.quality)
            append_member(one, "quality", json_of(*trial.quality));
        trials.push_back(std::move(one));
    }
    unique_names unique;
    for (const activation_layer& layer : study.layers) {
        ordered_json one = {{"inputs", layer.inputs},
                            {"min", json_number(layer.min)},
                            {"max", json_number(layer.max)},
                            {"samples", layer.samples},
                            {"non_finite_count", layer.non_finite_count},
                            {"outlier_channels", layer.outlier_channels},
                            {"largest_channel", layer.largest_channel}};
        append_metric(one, "largest_channel_ratio", layer.largest_channel_ratio, false);
        ordered_json codes = ordered_json::object();
        for (std::size_t t = 0; t < study.trials.size(); ++t) {
            const activation_code& code = layer.codes[t];
            ordered_json figures = {{"scale", json_number(code.scale)}, {"zero_point", json_number(code.zero_point)}, {"low", json_number(code.low)},
                                    {"high", json_number(code.high)}};
            append_metric(figures, "clipped_fraction", code.clipped_fraction, false);
            append_metric(figures, "sqnr_db", code.sqnr_db, false);
            append_member(codes, study.trials[t].observer, std::move(figures));
        }
        append_member(one, "observers", std::move(codes));
        append_member(layers, unique(layer.name), std::move(one));
    }
    ordered_json object = {{"bits", study.settings.bits},
                           {"symmetric", study.settings.symmetric},
                           {"per_token", study.settings.per_token},
                           {"samples", study.settings.samples},
                           {"percentile", json_number(study.settings.percentile)},
                           {"outlier_ratio", json_number(study.settings.outlier_ratio)},
                           {"seconds", json_number(study.seconds)},
                           {"best", study.trials.empty() ? ordered_json(nullptr) : ordered_json(study.trials[study.best].observer)}};
    append_member(object, "trials", std::move(trials));
    if (study.together) {
        ordered_json together = json_of(*study.together);
        append_member(together, "variant", study.together_with);
        append_member(object, "together", std::move(together));
    }
    append_member(object, "layers", std::move(layers));
    return object;
}

}  // namespace weightscope::detail
