#pragma once
// What was measured of a study besides errors of weights, as tables for a terminal: losses, spectra, activations.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/model_quality_console.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/quantization_study_tables.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

inline text_table losses_table(const quantization_study_result& study)
{
    text_table table{.headings = {"measured on data", "SQNR dB"}};
    table.headings.insert(table.headings.end(), quality_headings().begin(), quality_headings().end());
    const auto add = [&](std::string name, std::string sqnr, const model_quality& quality, bool changed) {
        auto& row = table.rows.emplace_back(std::vector<std::string>{std::move(name), std::move(sqnr)});
        for (std::string& cell : quality_cells(quality, changed))
            row.push_back(std::move(cell));
    };
    add("the model as it is", "", study.evaluation->before, false);
    for (std::size_t v = 0; v < study.variants.size(); ++v)
        if (study.variants[v].quality)
            add(harmless(study.variants[v].name) + (v == study.recommended ? " *" : ""), short_figure(study.variants[v].error.sqnr_db, "{:.1f}"),
                *study.variants[v].quality, true);
    return table;
}

inline std::string losses_text(const study_evaluation& evaluation)
{
    std::string text = fmt::format("measured on {} in {:.1f} s with {} forward passes; ", counted(evaluation.batches, "batch", "batches"), evaluation.seconds,
                                   grouped(evaluation.plan.counts.losses + evaluation.plan.counts.outputs + evaluation.plan.counts.measures));
    const metric& r = evaluation.sqnr_loss_correlation;
    text += r.exists() ? fmt::format("rank correlation of SQNR and change of the loss over {} variants: {:+.2f} (-1: more dB, less loss)",
                                     evaluation.correlated_count, r.value)
                       : fmt::format("no rank correlation of SQNR and loss: {}", r.reason);
    for (const std::string& note : evaluation.notes)
        text += "; " + note;
    return text;
}

// Figures of one kind over all layers of one scheme.
struct spectrum_summary
{
    std::vector<double> values = {};
    std::size_t worst = kept_as_stored;

    metric median() const
    {
        if (values.empty())
            return metric::missing("none");
        std::vector<double> sorted = values;
        std::sort(sorted.begin(), sorted.end());
        return (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
    }
};

template <class Figure>
spectrum_summary summarize_spectra(const quantization_study_result& study, std::size_t s, const Figure& figure)
{
    spectrum_summary result;
    double most = 0;
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        if (layer.figures.empty() || !layer.figures[s].spectrum || counted_elsewhere(layer))
            continue;
        const metric found = figure(*layer.figures[s].spectrum);
        if (!found.exists())
            continue;
        if (result.values.empty() || found.value > most) {
            most = found.value;
            result.worst = i;
        }
        result.values.push_back(found.value);
    }
    return result;
}

inline bool has_spectra(const quantization_study_result& study)
{
    return std::any_of(study.layers.begin(), study.layers.end(), [](const study_layer& layer) { return !layer.figures.empty() && layer.figures.front().spectrum; });
}

// What each scheme does to the spectra: medians over the layers, and the layer whose norm suffers most.
inline text_table spectra_table(const quantization_study_result& study)
{
    text_table table{.headings = {"spectrum, median of layers", "spectral error", "stable rank", "alpha", "condition no.", "largest angle", "worst spectral error"}};
    for (std::size_t s = 0; s < study.schemes.size(); ++s) {
        const spectrum_summary error = summarize_spectra(study, s, [](const auto& e) { return e.relative_spectral_error; });
        const auto median = [&](const auto& figure, const char* format) { return short_figure(summarize_spectra(study, s, figure).median(), format); };
        table.rows.push_back({to_string(study.schemes[s]), percent(error.median()), median([](const auto& e) { return e.stable_rank.change; }, "x {:.4f}"),
                              median([](const auto& e) { return e.alpha.change; }, "{:+.3f}"),
                              median([](const auto& e) { return e.condition_number.change; }, "x {:.3f}"),
                              median([](const auto& e) { return e.largest_angle; }, "{:.3g}°"),
                              error.worst == kept_as_stored
                                  ? "-"
                                  : fmt::format("{} {}", percent(study.layers[error.worst].figures[s].spectrum->relative_spectral_error),
                                                harmless(study.layers[error.worst].name))});
    }
    return table;
}

// The matrix of layers by schemes.
inline text_table spectral_errors_table(const quantization_study_result& study, std::size_t limit)
{
    text_table table{.headings = {"spectral error by scheme"}};
    for (const scheme& s : study.schemes)
        table.headings.push_back(to_string(s));
    for (const std::size_t i : worst_layers(study, study.variants[study.recommended], limit)) {
        table.rows.push_back({harmless(study.layers[i].name)});
        for (const scheme_figures& figures : study.layers[i].figures)
            table.rows.back().push_back(figures.spectrum ? percent(figures.spectrum->relative_spectral_error) : "-");
    }
    return table;
}

inline text_table activation_trials_table(const activation_study_result& activations)
{
    text_table table{.headings = {"activations", "median SQNR dB", "worst SQNR dB", "worst layer"}};
    const bool measured = std::any_of(activations.trials.begin(), activations.trials.end(), [](const auto& t) { return t.quality.has_value(); });
    if (measured)
        table.headings.insert(table.headings.end(), quality_headings().begin(), quality_headings().end());
    for (std::size_t t = 0; t < activations.trials.size(); ++t) {
        const activation_trial& trial = activations.trials[t];
        auto& row = table.rows.emplace_back(std::vector<std::string>{
            trial.observer + (t == activations.best ? " *" : ""), short_figure(trial.median_sqnr_db, "{:.1f}"), short_figure(trial.worst_sqnr_db, "{:.1f}"),
            trial.worst_sqnr_db.exists() ? harmless(activations.layers[trial.worst_layer].name) : "-"});
        if (trial.quality)
            for (std::string& cell : quality_cells(*trial.quality, true))
                row.push_back(std::move(cell));
    }
    if (activations.together) {
        auto& row = table.rows.emplace_back(std::vector<std::string>{
            fmt::format("{} with weights of {}", activations.trials[activations.best].observer, harmless(activations.together_with)), "", "", ""});
        for (std::string& cell : quality_cells(*activations.together, true))
            row.push_back(std::move(cell));
    }
    return table;
}

// The layers whose activations suffer most under the best observer.
inline text_table activation_layers_table(const activation_study_result& activations, std::size_t limit)
{
    text_table table{.headings = {"inputs of", "min", "max", "outlier channels", "largest / median"}};
    for (const activation_trial& trial : activations.trials)
        table.headings.push_back(fmt::format("dB {}", trial.observer));
    for (const activation_trial& trial : activations.trials)
        table.headings.push_back(fmt::format("clipped {}", trial.observer));
    std::vector<std::size_t> order(activations.layers.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    const auto sqnr = [&](std::size_t i) {
        const metric& m = activations.layers[i].codes[activations.best].sqnr_db;
        return m.exists() ? m.value : 1e9;
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sqnr(a) < sqnr(b); });
    order.resize(std::min(order.size(), limit));
    for (const std::size_t i : order) {
        const activation_layer& layer = activations.layers[i];
        auto& row = table.rows.emplace_back(std::vector<std::string>{
            harmless(layer.name), fmt::format("{:.4g}", layer.min), fmt::format("{:.4g}", layer.max),
            fmt::format("{} of {}", grouped(layer.outlier_channels), grouped(layer.inputs)), short_figure(layer.largest_channel_ratio, "{:.1f}")});
        for (const activation_code& code : layer.codes)
            row.push_back(short_figure(code.sqnr_db, "{:.1f}"));
        for (const activation_code& code : layer.codes)
            row.push_back(percent(code.clipped_fraction));
    }
    return table;
}

inline std::string activations_text(const activation_study_result& activations)
{
    const activation_study_options& how = activations.settings;
    std::size_t samples = 0;
    for (const activation_layer& layer : activations.layers)
        samples = std::max(samples, layer.samples);
    return fmt::format("activations as int{}{}{}, {}, from {}; the * is best by {}", how.bits, how.per_token ? " per token" : "", how.symmetric ? "" : " asymmetric",
                       counted(activations.layers.size(), "layer", "layers"), counted(samples, "token", "tokens"),
                       !activations.trials.empty() && activations.trials.front().quality ? "loss" : "median SQNR");
}

// All of it, under the tables of the study.
inline void append_measures(std::string& text, const quantization_study_result& study, const console_style& style, std::size_t width, std::size_t limit)
{
    if (study.evaluation) {
        append_table(text, fitting(losses_table(study), width, 5), style, width);
        append_wrapped(text, losses_text(*study.evaluation), width, 0, plain);
    }
    if (has_spectra(study)) {
        append_table(text, fitting(spectra_table(study), width, 6), style, width);
        append_table(text, fitting(spectral_errors_table(study, limit), width, 3), style, width);
    }
    if (study.activations) {
        append_table(text, fitting(activation_trials_table(*study.activations), width, 4), style, width);
        append_table(text, fitting(activation_layers_table(*study.activations, limit), width, 5), style, width);
        append_wrapped(text, activations_text(*study.activations), width, 0, plain);
    }
}

}  // namespace weightscope::detail
