#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_rows.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/plot_condition_heatmap.hpp>
#include <weightscope/report/plot_health_dashboard.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

// One number of every layer that has it, and what it is called.
struct dashboard_figure
{
    std::string title;
    std::string unit;
    std::vector<double> values;
};

inline std::vector<dashboard_figure> dashboard_figures(const scan_result& scan)
{
    std::vector<dashboard_figure> figures = {{"condition number / Gaussian's", "decades", {}}, {"extreme outliers", "log10 of %, -4 or less", {}},
                                             {"SQNR, one scale per tensor", "dB", {}},        {"stable rank / Gaussian's", "", {}},
                                             {"zeros", "%", {}},                              {"excess kurtosis", "log10 of 1 + |k|", {}}};
    for (const charted_condition& c : charted_conditions(scan))
        if (c.number.exists())
            figures[0].values.push_back(c.excess());
    for (const layer_result& layer : scan.layers) {
        if (!holds_real_matrix(layer) || layer.counted_elsewhere())
            continue;
        if (layer.quantization && layer.quantization->extreme_outlier_percentage.exists())
            figures[1].values.push_back(std::log10(std::max(layer.quantization->extreme_outlier_percentage.value, 1e-4)));
        if (layer.quantization && layer.quantization->sqnr_db.exists())
            figures[2].values.push_back(layer.quantization->sqnr_db.value);
        if (layer.spectral && layer.spectral->stable_rank.exists() && layer.spectral->gaussian_stable_rank > 0)
            figures[3].values.push_back(layer.spectral->stable_rank.value / layer.spectral->gaussian_stable_rank);
        if (const metric zeros = zeros_percentage(layer); zeros.exists())
            figures[4].values.push_back(zeros.value);
        if (layer.basic_stats && layer.basic_stats->kurtosis.exists())
            figures[5].values.push_back(std::log10(1 + std::fabs(layer.basic_stats->kurtosis.value)));
    }
    return figures;
}

inline void draw_dashboard_histogram(svg_picture& picture, const svg_box& area, const dashboard_figure& figure_of_layers)
{
    constexpr std::size_t bins = 24;
    const chart_axis x = axis_of(figure_of_layers.values, {.tick_count = 5});
    std::vector<std::size_t> counts(bins, 0);
    for (const double value : figure_of_layers.values)
        ++counts[std::min(bins - 1, static_cast<std::size_t>(x.share(value) * bins))];
    const auto most = static_cast<double>(*std::max_element(counts.begin(), counts.end()));
    chart_panel panel(picture, area, x, axis_of(std::vector<double>{0, std::max(most, 1.0)}, {.from_zero = true, .tick_count = 4, .whole = true}));
    panel.draw_frame({.title = figure_of_layers.title, .x = figure_of_layers.unit});
    for (std::size_t i = 0; i < bins; ++i) {
        if (counts[i] == 0)
            continue;
        const double width = area.width / bins, top = panel.height_of(static_cast<double>(counts[i]));
        const double step = (x.high - x.low) / bins, from = x.low + step * static_cast<double>(i), to = from + step;
        picture.rectangle({area.x + width * static_cast<double>(i), top, width - 0.5, area.bottom() - top}, chart_colors::blue,
                          fmt::format("{} to {}: {} layers", tick_label(from), tick_label(to), counts[i]));
    }
    if (figure_of_layers.values.empty())
        picture.text({area.x + area.width / 2, area.y + area.height / 2}, "not measured", {.anchor = svg_anchor::middle, .color = chart_colors::faint});
}

inline void draw_grades(svg_picture& picture, const svg_box& box, const health_result& health)
{
    constexpr std::pair<health_grade, std::string_view> grades[] = {{health_grade::excellent, chart_colors::green},
                                      {health_grade::good, chart_colors::sky},
                                      {health_grade::warning, chart_colors::orange},
                                      {health_grade::critical, chart_colors::vermilion}};
    double x = box.x;
    std::vector<legend_entry> legend;
    for (const auto& [grade, color] : grades) {
        const auto graded = std::count_if(health.layers.begin(), health.layers.end(), [g = grade](const layer_health& layer) { return layer.grade == g; });
        const auto count = static_cast<double>(graded);
        const double width = health.layers.empty() ? 0 : box.width * count / static_cast<double>(health.layers.size());
        const std::string words = fmt::format("{} {}", count, to_string(grade));
        if (count > 0)
            picture.rectangle({x, box.y, width, 14}, color, words + " layers");
        legend.push_back({color, words});
        x += width;
    }
    draw_legend(picture, {box.x, box.y + 32}, box.right(), legend);
}

inline std::vector<chart_row> rows_of_rules(const health_result& health)
{
    std::vector<chart_row> rows;
    for (const rule_outcome& outcome : health.rules) {
        if (outcome.finding_count == 0)
            continue;
        severity worst = severity::info;
        for (const finding& f : health.findings)
            if (f.rule_id == outcome.judged_by.id)
                worst = std::max(worst, f.level);
        rows.push_back({.name = outcome.judged_by.id,
                        .title = fmt::format("{}: {} findings, {}", outcome.judged_by.id, outcome.finding_count, outcome.judged_by.meaning),
                        .bar = static_cast<double>(outcome.finding_count),
                        .color = chart_colors::of(worst),
                        .figure = fmt::format("{}", outcome.finding_count)});
    }
    return rows;
}

inline std::vector<chart_row> rows_of_worst_layers(const charted_scan& charted, std::size_t most)
{
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < charted.health().layers.size(); ++i)
        if (charted.health().layers[i].score < 100)
            order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return charted.health().layers[a].score < charted.health().layers[b].score; });
    order.resize(std::min(order.size(), most));
    std::vector<chart_row> rows;
    for (const std::size_t i : order)
        rows.push_back({.name = charted.labels()[i].text,
                        .title = charted.title(i, fmt::format("score {}", charted.health().layers[i].score)),
                        .bar = charted.health().layers[i].score,
                        .color = charted.color(i, {}),
                        .figure = fmt::format("{}", charted.health().layers[i].score)});
    return rows;
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_health_dashboard(const scan_result& scan, const health_result& health)
{
    constexpr std::size_t most_rows = 12, most_findings = 16;
    const charted_scan charted(scan, health);
    csv_table table({"level", "rule", "layer", "value", "threshold", "message"});
    for (const finding& f : health.findings)
        table.add({std::string(to_string(f.level)), f.rule_id, f.layer, csv_table::cell(f.value), csv_table::cell(f.threshold), f.message});
    auto rules = detail::rows_of_rules(health);
    std::stable_sort(rules.begin(), rules.end(), [](const chart_row& a, const chart_row& b) { return *a.bar > *b.bar; });
    const auto worst = detail::rows_of_worst_layers(charted, most_rows);
    const double rows_height = height_of_rows(std::max(rules.size(), worst.size()));
    const auto told = health.top_issues(most_findings);
    svg_picture picture({1000, 598 + rows_height + 24 + 16 * static_cast<double>(told.size())}, "Health");
    detail::draw_heading(picture, fmt::format("Health {}/100, {}: {}", health.score, to_string(health.grade), health.recommendation),
                         detail::model_words(scan));
    picture.text({20, 72},
                 fmt::format("findings: {} critical, {} warning, {} info{}", health.count(severity::critical), health.count(severity::warning),
                             health.count(severity::info), health.limited_by.empty() ? "" : fmt::format("; the score is held down by {}", health.limited_by)),
                 {.size = 12});
    detail::draw_grades(picture, {20, 84, 960, 46}, health);
    const auto figures = detail::dashboard_figures(scan);
    for (std::size_t i = 0; i < figures.size(); ++i)
        detail::draw_dashboard_histogram(picture, {60 + 325 * static_cast<double>(i % 3), 162 + 205 * static_cast<double>(i / 3), 260, 130}, figures[i]);

    const double top = 560;
    std::vector<double> counts = {1};
    for (const chart_row& row : rules)
        counts.push_back(*row.bar);
    draw_rows(picture, {20, top, 470, rows_height}, rules,
              axis_of(counts, {.from_zero = true, .tick_count = 4, .whole = true}), {.title = "findings by rule", .x = "findings"});
    draw_rows(picture, {510, top, 470, rows_height}, worst, axis_of(std::vector<double>{0, 100}, {.from_zero = true, .tick_count = 5}),
              {.title = "layers with the lowest scores", .x = "score of the layer, 100 at best"});
    double base = top + rows_height + 14;
    if (!told.empty())
        picture.text({20, base}, fmt::format("the first {} of {} findings", told.size(), health.findings.size()), {.size = 12, .bold = true});
    for (const finding& f : told) {
        base += 16;
        picture.rectangle({20, base - 9, 10, 10}, chart_colors::of(f.level), to_string(f.level));
        const std::string words = fmt::format("{}: {} ({})", f.layer.empty() ? "the model" : f.layer, f.message, f.rule_id);
        picture.text({36, base}, fitting_text(words, 940, 11), {}, f.remedy);
    }
    return {"health_dashboard", "score, findings, and how six figures are distributed over the layers", picture.text(), table.text()};
}

}  // namespace weightscope
