#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_cells.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_rows.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_condition_heatmap.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string charted_condition::words() const
{
    return number.exists() ? fmt::format("{}{}, Gaussian {}", at_least ? ">= " : "", figure(number.value), figure(gaussian)) : number.reason;
}

WEIGHTSCOPE_INLINE std::vector<charted_condition> charted_conditions(const scan_result& scan)
{
    std::vector<charted_condition> result;
    for (std::size_t i = 0; i < scan.layers.size(); ++i)
        if (const auto& spectral = scan.layers[i].spectral) {
            const bool resolved = spectral->condition_number.exists();
            result.push_back({.layer = i,
                              .number = resolved ? spectral->condition_number : spectral->condition_number_at_least,
                              .at_least = !resolved,
                              .gaussian = std::max(spectral->gaussian_condition_number, 1.0)});
        }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_condition_heatmap(const scan_result& scan, const health_result& health)
{
    const charted_scan charted(scan, health);
    auto conditions = detail::charted_conditions(scan);
    const auto rules = {std::string_view("near_singular"), std::string_view("condition_number"), std::string_view("low_rank"), std::string_view("dead_rows"),
                        std::string_view("dead_columns"), std::string_view("all_zero"), std::string_view("constant"), std::string_view("nonfinite")};
    csv_table table({"name", "condition_number", "is_lower_bound", "gaussian_condition_number", "reason"});
    std::vector<layer_label> labels;
    double most = 4;
    for (const auto& c : conditions) {
        labels.push_back(charted.labels()[c.layer]);
        most = std::max(most, c.excess());
        table.add({charted.layer(c.layer).name, csv_table::cell(c.number), c.at_least ? "true" : "false", csv_table::cell(c.gaussian), c.number.reason});
    }
    const layer_grid map = grid_of(labels);
    const std::size_t shown = std::min(conditions.size(), most_charted_rows);
    const double map_height = height_of_cells(map.grid), rows_height = height_of_rows(shown);
    svg_picture picture({1000, 110 + map_height + rows_height}, "Condition numbers");
    detail::draw_heading(picture, "Condition numbers beside those of random matrices", detail::model_words(scan));

    const chart_axis excess = axis_of(std::vector<double>{0, most}, {.from_zero = true, .tick_count = 5});
    std::vector<chart_cell> cells;
    for (std::size_t i = 0; i < conditions.size(); ++i) {
        const auto& c = conditions[i];
        cells.push_back({map.places[i].first, map.places[i].second,
                         c.number.exists() ? chart_colors::sequential(excess.share(c.excess())) : std::string(chart_colors::missing),
                         charted.title(c.layer, "condition number " + c.words(), rules)});
    }
    draw_cells(picture, {20, 84, 960, map_height}, map.grid, cells, "all matrices, grey where there is no number");
    draw_color_bar(picture, {800, 62, 160, 9}, excess, "decades above a Gaussian matrix", chart_colors::sequential);

    // those that could not be measured come first where something is wrong with them
    const auto rank_of = [&](const auto& c) { return c.number.exists() ? c.excess() : charted.worst(c.layer, rules) ? 1e9 : -1; };
    std::stable_sort(conditions.begin(), conditions.end(), [&](const auto& a, const auto& b) { return rank_of(a) > rank_of(b); });
    std::vector<chart_row> rows;
    std::vector<double> values;
    for (const auto& c : std::span(conditions).first(shown)) {
        chart_row row{.name = charted.labels()[c.layer].text, .title = charted.title(c.layer, "condition number " + c.words(), rules), .figure = c.words()};
        row.color = charted.color(c.layer, rules);
        if (c.number.exists()) {
            row.bar = c.number.value;
            row.marks = {{c.gaussian, chart_colors::black, fmt::format("Gaussian matrix of this shape: {}", detail::figure(c.gaussian)), true}};
            values.insert(values.end(), {c.number.value, c.gaussian, 1.0});
        } else if (charted.worst(c.layer, rules))
            row.marks = {{1, row.color, row.title}};
        rows.push_back(std::move(row));
    }
    const double top = 96 + map_height;
    draw_rows(picture, {20, top, 960, rows_height}, rows, axis_of(values, {.logarithmic = true}),
              {.title = shown < conditions.size() ? fmt::format("furthest above a random matrix (black line) first, {} of {}", shown, conditions.size())
                                                  : "furthest above a random matrix (black line) first",
               .x = "condition number"});
    const auto& legend = detail::severity_legend();
    draw_legend(picture, {580, top + 14}, 980, legend);
    return {"condition_heatmap", "condition numbers beside those of random matrices", picture.text(), table.text()};
}

}  // namespace weightscope
