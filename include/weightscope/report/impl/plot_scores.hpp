#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/chart_cells.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_rows.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_scores.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE chart plot_group_scores(const group_scores_chart& of)
{
    csv_table table({"name", of.score, of.marked});
    std::vector<const group_score*> order;
    std::vector<std::string> names;
    for (const group_score& g : of.groups) {
        table.add({g.name, csv_table::cell(g.score), g.marked ? "true" : "false"});
        if (std::isfinite(g.score))
            order.push_back(&g);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->score > b->score; });
    for (const group_score* g : order)
        names.push_back(g->name);
    const std::size_t shown = std::min(order.size(), most_charted_rows);
    svg_picture picture({1000, 350 + height_of_rows(shown)}, of.title);
    detail::draw_heading(picture, of.title, of.below);
    std::vector<double> values;
    for (const group_score* g : order)
        values.push_back(g->score);
    const chart_axis scores = axis_of(values, {.logarithmic = of.logarithmic, .from_zero = !of.logarithmic});
    const std::vector<double> places = {1, static_cast<double>(std::max<std::size_t>(order.size(), 2))};
    chart_panel panel(picture, {75, 92, 905, 190}, axis_of(places, {.tick_count = 8, .whole = true}), scores);
    panel.draw_frame({.x = fmt::format("all {} groups, highest score first", order.size()), .y = of.score});
    std::vector<svg_point> curve;
    const std::size_t step = order.size() / 900 + 1;
    for (std::size_t i = 0; i < order.size(); i += step)
        curve.push_back(panel.at(static_cast<double>(i + 1), order[i]->score));
    if (curve.size() > 1)
        picture.polyline(curve, {.color = chart_colors::sky, .width = 1.5});
    const std::size_t point_step = order.size() / 300 + 1;
    for (std::size_t i = 0; i < order.size(); i += point_step)
        picture.circle(panel.at(static_cast<double>(i + 1), order[i]->score), order.size() > 100 ? 2 : 3.5,
                       order[i]->marked ? chart_colors::vermilion : chart_colors::blue, fmt::format("{}: {}", order[i]->name, detail::figure(order[i]->score)));
    const std::vector<legend_entry> legend = {{chart_colors::vermilion, of.marked}, {chart_colors::blue, "not " + of.marked}};
    draw_legend(picture, {75, 76}, 980, legend);

    const auto labels = layer_labels(names);
    std::vector<chart_row> rows;
    std::vector<double> named;  // their own axis: beside the highest the lowest would not be seen
    for (std::size_t k = 0; k < shown; ++k) {
        const std::size_t i = of.lowest_first ? order.size() - 1 - k : k;
        named.push_back(order[i]->score);
        rows.push_back({.name = labels[i].text,
                        .title = fmt::format("{}: {}", order[i]->name, detail::figure(order[i]->score)),
                        .bar = order[i]->score,
                        .color = order[i]->marked ? chart_colors::vermilion : chart_colors::blue,
                        .figure = detail::figure(order[i]->score)});
    }
    draw_rows(picture, {20, 332, 960, height_of_rows(shown)}, rows,
              axis_of(named, {.logarithmic = of.logarithmic, .from_zero = !of.logarithmic}),
              {.title = fmt::format("the {} {}, of {}", shown, of.lowest_first ? "lowest" : "highest", order.size()), .x = of.score});
    return {"group_scores", of.title, picture.text(), table.text()};
}

WEIGHTSCOPE_INLINE chart plot_bit_map(const bit_map_chart& of)
{
    require(of.values.size() == of.bits.size() * of.layers.size(), "plot_bit_map(of): there are {} values, expected {} bits x {} layers", of.values.size(),
            of.bits.size(), of.layers.size());
    csv_table table({"bit", "layer", of.value});
    const chart_axis axis = axis_of(of.values, {.logarithmic = of.logarithmic, .from_zero = !of.logarithmic, .tick_count = 4});
    const auto labels = layer_labels(of.layers);
    cell_grid grid{.rows = of.bits};
    for (const layer_label& label : labels)
        grid.columns.push_back(label.text);
    std::vector<chart_cell> cells;
    for (std::size_t b = 0; b < of.bits.size(); ++b)
        for (std::size_t l = 0; l < of.layers.size(); ++l) {
            const double value = of.values[b * of.layers.size() + l];
            table.add({of.bits[b], of.layers[l], csv_table::cell(value)});
            cells.push_back({b, l, std::isfinite(value) ? chart_colors::sequential(axis.share(value)) : std::string(chart_colors::missing),
                             fmt::format("{}, {}: {}", of.layers[l], of.bits[b], std::isfinite(value) ? detail::figure(value) : "no value")});
        }
    const double height = height_of_cells(grid);
    svg_picture picture({1000, 110 + height}, of.title);
    detail::draw_heading(picture, of.title, of.below);
    draw_color_bar(picture, {800, 62, 160, 9}, axis, of.value, chart_colors::sequential);
    draw_cells(picture, {20, 90, 960, height}, grid, cells, fmt::format("{} bits x {} layers, grey where there is no value", of.bits.size(), of.layers.size()));
    return {"bit_map", of.title, picture.text(), table.text()};
}

}  // namespace weightscope
