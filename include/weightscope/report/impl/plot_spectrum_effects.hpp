#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_cells.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_spectrum_effects.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE chart plot_spectrum_effects(const quantization_study_result& study)
{
    std::vector<std::string> names;
    std::vector<std::size_t> layers;
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        if (layer.figures.empty() || !layer.figures.front().spectrum || detail::counted_elsewhere(layer))
            continue;
        layers.push_back(i);
        names.push_back(layer.name);
    }
    csv_table table({"layer", "scheme", "relative_spectral_error", "stable_rank_ratio", "alpha_change", "condition_number_ratio", "largest_angle"});
    const std::vector<layer_label> labels = layer_labels(names);
    cell_grid grid;
    for (const scheme& s : study.schemes)
        grid.rows.push_back(to_string(s));
    std::vector<double> decades;
    for (std::size_t k = 0; k < layers.size(); ++k) {
        grid.columns.push_back(labels[k].text);
        for (std::size_t s = 0; s < study.schemes.size(); ++s) {
            const spectrum_effect_result& effect = *study.layers[layers[k]].figures[s].spectrum;
            table.add({names[k], grid.rows[s], csv_table::cell(effect.relative_spectral_error), csv_table::cell(effect.stable_rank.change),
                       csv_table::cell(effect.alpha.change), csv_table::cell(effect.condition_number.change), csv_table::cell(effect.largest_angle)});
            if (effect.relative_spectral_error.exists() && effect.relative_spectral_error.value > 0)
                decades.push_back(std::log10(effect.relative_spectral_error.value));
        }
    }
    const chart_axis axis = axis_of(decades, {.tick_count = 5});
    std::vector<chart_cell> cells;
    for (std::size_t k = 0; k < layers.size(); ++k)
        for (std::size_t s = 0; s < study.schemes.size(); ++s) {
            const spectrum_effect_result& effect = *study.layers[layers[k]].figures[s].spectrum;
            const metric& error = effect.relative_spectral_error;
            const auto words = [](const metric& figure) { return figure.exists() ? detail::figure(figure.value) : figure.reason; };
            cells.push_back({s, k,
                             !error.exists()    ? std::string(chart_colors::missing)
                             : error.value > 0 ? chart_colors::sequential(axis.share(std::log10(error.value)))
                                               : chart_colors::sequential(0),
                             fmt::format("{} in {}: spectral error {}, stable rank x {}, alpha {}, condition number x {}, angle {}", names[k], grid.rows[s],
                                         words(error), words(effect.stable_rank.change), words(effect.alpha.change),
                                         words(effect.condition_number.change), words(effect.largest_angle))});
        }
    const double height = height_of_cells(grid);
    svg_picture picture({1000, 120 + height}, "Spectra under quantization");
    detail::draw_heading(picture, "What quantizing does to spectra", fmt::format("{}, {} matrices, {} schemes", study.model.path, layers.size(), study.schemes.size()));
    draw_cells(picture, {20, 90, 960, height}, grid, cells, "spectral norm of the error over that of the weights, grey where there is none");
    if (!decades.empty())
        draw_color_bar(picture, {800, 62, 160, 9}, axis, "decades of the relative error", chart_colors::sequential);
    return {"spectrum_effects", "what quantizing does to spectra", picture.text(), table.text()};
}

}  // namespace weightscope
