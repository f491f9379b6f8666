#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_rows.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_layer_comparison.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

inline double stable_share_of(const layer_result& layer)
{
    return layer.spectral && layer.spectral->stable_rank.exists() && layer.spectral->total_rank > 0
               ? 100 * layer.spectral->stable_rank.value / static_cast<double>(layer.spectral->total_rank)
               : no_value;
}

struct compared_figure
{
    const char* name;
    const char* title;
    double (*value)(const layer_result&);
    bool logarithmic;
};

inline constexpr compared_figure compared_figures[] = {{"l2_norm", "norm", norm_of, true},
                                                       {"condition_number", "condition number", condition_of, true},
                                                       {"stable_rank_percentage", "stable rank, % of total", stable_share_of, false},
                                                       {"sqnr_db", "SQNR, dB", sqnr_of, false}};

WEIGHTSCOPE_INLINE double change_between(const layer_result& a, const layer_result& b)
{
    double sum = 0;
    for (const compared_figure& figure : compared_figures) {
        const double before = figure.value(a), after = figure.value(b);
        if (figure.logarithmic && before > 0 && after > 0)
            sum += std::fabs(std::log10(after / before));
        else if (!figure.logarithmic && std::isfinite(before) && std::isfinite(after))
            sum += std::fabs(after - before) / 10;
    }
    return sum;
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_layer_comparison(const scan_result& a, const scan_result& b, const std::string& a_name, const std::string& b_name)
{
    constexpr std::size_t most = 20;
    std::map<std::string_view, const layer_result*> by_name;
    for (const layer_result& layer : b.layers)
        by_name.emplace(layer.name, &layer);
    struct pair
    {
        const layer_result* before;
        const layer_result* after;
        double change;
        std::string text = {};
    };
    std::vector<pair> pairs;
    std::vector<std::string> names;
    for (const layer_result& layer : a.layers)
        if (const auto found = by_name.find(layer.name); found != by_name.end() && detail::is_matrix(layer)) {
            pairs.push_back({&layer, found->second, detail::change_between(layer, *found->second)});
            names.push_back(layer.name);
        }
    const auto labels = layer_labels(names);
    csv_table table({"name", "figure", a_name, b_name});
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        pairs[i].text = labels[i].text;
        for (const detail::compared_figure& figure : detail::compared_figures)
            table.add({pairs[i].before->name, figure.name, csv_table::cell(figure.value(*pairs[i].before)), csv_table::cell(figure.value(*pairs[i].after))});
    }
    std::stable_sort(pairs.begin(), pairs.end(), [](const pair& x, const pair& y) { return x.change > y.change; });
    const std::size_t shown = std::min(most, pairs.size());
    struct compared_panel
    {
        const detail::compared_figure* figure;
        std::vector<chart_row> rows = {};
        std::vector<double> values = {};
    };
    std::vector<compared_panel> panels;
    for (const detail::compared_figure& figure : detail::compared_figures) {
        compared_panel panel{.figure = &figure};
        for (const pair& p : std::span(pairs).first(shown)) {
            chart_row row{.name = p.text, .title = p.before->name};
            for (const auto& [layer, color, name] : {std::tuple(p.before, chart_colors::blue, &a_name),
                                                     std::tuple(p.after, chart_colors::orange, &b_name)}) {
                const double value = figure.value(*layer);
                if (!std::isfinite(value) || (figure.logarithmic && !(value > 0)))
                    continue;
                panel.values.push_back(value);
                row.marks.push_back({value, color, fmt::format("{}, {}: {}", p.before->name, *name, detail::figure(value)), false,
                                     layer == p.before ? 5.0 : 3.0});  // where they agree both are seen
            }
            panel.rows.push_back(std::move(row));
        }
        if (!panel.values.empty())
            panels.push_back(std::move(panel));
    }
    const double height = height_of_rows(shown);
    svg_picture picture({1000, 90 + static_cast<double>((panels.size() + 1) / 2) * height}, "Layer comparison");
    detail::draw_heading(picture, "Two models, layer by layer",
                         fmt::format("{} of {} matrices in common, those that differ most first; {}: {}, {}: {}", shown, pairs.size(), a_name,
                                     a.model.path, b_name, b.model.path));
    const std::vector<legend_entry> legend = {{chart_colors::blue, a_name}, {chart_colors::orange, b_name}};
    draw_legend(picture, {20, 68}, 980, legend);
    for (std::size_t k = 0; k < panels.size(); ++k)
        draw_rows(picture, {20 + 490 * static_cast<double>(k % 2), 84 + height * static_cast<double>(k / 2), 470, height}, panels[k].rows,
                  axis_of(panels[k].values, {.logarithmic = panels[k].figure->logarithmic, .tick_count = 4}), {.title = panels[k].figure->title});
    return {"layer_comparison", "two models, layer by layer", picture.text(), table.text()};
}

}  // namespace weightscope
