#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
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
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_quantization_risk.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE layer_kind kind_of(const layer_result& layer)
{
    const auto has = [&](std::initializer_list<const char*> words) {
        return std::any_of(words.begin(), words.end(), [&](const char* word) { return layer.name.find(word) != std::string::npos; });
    };
    if (is_embedding(layer) || has({"lm_head", "output.weight", "classifier"}))
        return {"embedding or head", chart_colors::purple};
    if (has({"attn", "attention", "q_proj", "k_proj", "v_proj", "o_proj", "query", "key", "value"}))
        return {"attention", chart_colors::blue};
    if (has({"mlp", "ffn", "feed_forward", "fc", "gate", "up_proj", "down_proj", "intermediate", "experts", ".w1", ".w2", ".w3"}))
        return {"MLP", chart_colors::green};
    if (has({"conv"}))
        return {"convolution", chart_colors::orange};
    return {"other", chart_colors::sky};
}

// Layers that quantizing concerns and that have an SQNR, the worst first.
inline std::vector<std::size_t> by_sqnr(const charted_scan& charted)
{
    std::vector<std::size_t> layers;
    for (std::size_t i = 0; i < charted.scan().layers.size(); ++i) {
        const layer_result& layer = charted.layer(i);
        if (layer.quantization && holds_real_matrix(layer) && layer.quantization->sqnr_db.exists())
            layers.push_back(i);
    }
    std::stable_sort(layers.begin(), layers.end(), [&](std::size_t a, std::size_t b) {
        return charted.layer(a).quantization->sqnr_db.value < charted.layer(b).quantization->sqnr_db.value;
    });
    return layers;
}

inline std::vector<chart_row> sqnr_rows(const charted_scan& charted, std::span<const std::size_t> layers, std::vector<double>& values)
{
    std::vector<chart_row> rows;
    for (const std::size_t i : layers) {
        const quantization_sensitivity_result& q = *charted.layer(i).quantization;
        chart_row row{.name = charted.labels()[i].text, .title = charted.layer(i).name};
        const auto add = [&](const metric& number, std::string_view color, const std::string& what, bool tick) {
            if (!number.exists())
                return;
            row.marks.push_back({number.value, color, fmt::format("{}: {}", what, decibels(number)), tick});
            values.push_back(number.value);
        };
        add(q.gaussian_sqnr_db, chart_colors::black, "Gaussian weights, one scale", true);
        add(q.sqnr_db, chart_colors::vermilion, "one scale for the tensor", false);
        add(q.per_channel_sqnr_db, chart_colors::orange, "one scale per row", false);
        add(q.group_sqnr_db, chart_colors::blue, fmt::format("groups of {}", q.group_size), false);
        row.figure = decibels(q.sqnr_db);
        rows.push_back(std::move(row));
    }
    return rows;
}

// The limits of outliers by which the verdict was made.
inline std::vector<double> risk_limits(const health_result& health)
{
    std::vector<double> limits;
    for (const rule_outcome& outcome : health.rules)
        if (outcome.judged_by.id == "outliers" || outcome.judged_by.id == "extreme_outliers")
            for (const severity level : {severity::warning, severity::critical})
                if (const std::optional<double>& limit = outcome.judged_by.limit(level))
                    limits.push_back(*limit);
    return limits;
}

// Grounds of what lies below a limit of the rule about the SQNR: pale where it warns, darker where it is critical.
inline void draw_risk_bands(svg_picture& picture, const chart_panel& panel, const health_result& health)
{
    for (const rule_outcome& outcome : health.rules)
        for (const auto& [level, color] : {std::pair{severity::warning, "#fdf1d8"}, std::pair{severity::critical, "#fbe3d6"}}) {
            const std::optional<double>& limit = outcome.judged_by.limit(level);
            if (outcome.judged_by.id != "quantization_sqnr" || !limit || panel.y().low >= *limit)
                continue;
            const double top = panel.height_of(*limit);
            picture.rectangle({panel.area().x, top, panel.area().width, panel.area().bottom() - top}, color,
                              fmt::format("{} below {} dB", to_string(level), figure(*limit)));
        }
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_quantization_risk(const scan_result& scan, const health_result& health)
{
    constexpr double least_percent = 1e-4;  // percent; what is below lies on the edge
    const auto rules = {std::string_view("outliers"), std::string_view("quantization_sqnr"), std::string_view("rounded_away"),
                        std::string_view("extreme_outliers")};
    const charted_scan charted(scan, health);
    const std::vector<std::size_t> layers = detail::by_sqnr(charted);
    csv_table table({"name", "extreme_outlier_percentage", "bits", "sqnr_db", "per_channel_sqnr_db", "group_size", "group_sqnr_db", "gaussian_sqnr_db",
                     "kind"});
    std::vector<double> x = {least_percent, 1}, y = {20, 40};
    for (const std::size_t i : layers) {
        const quantization_sensitivity_result& q = *charted.layer(i).quantization;
        x.push_back(std::max(q.extreme_outlier_percentage.value, least_percent));
        y.push_back(q.sqnr_db.value);
        table.add({charted.layer(i).name, csv_table::cell(q.extreme_outlier_percentage), fmt::format("{}", q.bits), csv_table::cell(q.sqnr_db),
                   csv_table::cell(q.per_channel_sqnr_db), fmt::format("{}", q.group_size), csv_table::cell(q.group_sqnr_db),
                   csv_table::cell(q.gaussian_sqnr_db), std::string(detail::kind_of(charted.layer(i)).name)});
    }
    const std::size_t shown = std::min(layers.size(), most_charted_rows);
    svg_picture picture({1000, 530 + height_of_rows(shown)}, "Quantization risk");
    const int bits = layers.empty() ? scan.settings.bits : charted.layer(layers.front()).quantization->bits;
    detail::draw_heading(picture, fmt::format("What quantizing to {} bits would do", bits), detail::model_words(scan));
    chart_panel panel(picture, {70, 90, 910, 370}, axis_of(x, {.logarithmic = true, .tick_count = 8}), axis_of(y));
    detail::draw_risk_bands(picture, panel, health);
    panel.draw_frame({.x = "extreme outliers in % of the entries, 0.0001 or less at the edge", .y = "SQNR in dB, one scale per tensor"});
    for (const double limit : detail::risk_limits(health))
        panel.guide_x(limit, detail::figure(limit) + " %");

    std::vector<legend_entry> legend;
    std::vector<wished_label> labels;
    std::vector<svg_point> points;
    std::vector<std::size_t> in_front_last(layers.rbegin(), layers.rend());
    for (const std::size_t i : in_front_last) {
        const quantization_sensitivity_result& q = *charted.layer(i).quantization;
        const detail::layer_kind kind = detail::kind_of(charted.layer(i));
        if (std::none_of(legend.begin(), legend.end(), [&](const legend_entry& entry) { return entry.text == kind.name; }))
            legend.push_back({kind.color, std::string(kind.name)});
        const std::string title = charted.title(
            i, fmt::format("{} dB, extreme outliers {} %", detail::figure(q.sqnr_db), detail::figure(q.extreme_outlier_percentage)), rules);
        const svg_point at = panel.at(std::max(q.extreme_outlier_percentage.value, least_percent), q.sqnr_db.value);
        const bool found = charted.worst(i, rules) != nullptr;
        const bool crowded = layers.size() > 100;
        picture.circle(at, (found ? 5.5 : 4) - (crowded ? 1.5 : 0), kind.color, title,
                       found ? chart_colors::black : std::string_view(crowded ? "" : "#ffffff"));
        points.push_back(at);
        if (found)
            labels.insert(labels.begin(), {at, charted.labels()[i].text, charted.layer(i).name});
    }
    draw_labels(picture, panel.area(), std::span(labels).first(std::min<std::size_t>(labels.size(), 24)), points);
    draw_legend(picture, {70, 76}, 980, legend);

    std::vector<double> values = {0};
    const auto rows = detail::sqnr_rows(charted, std::span(layers).first(shown), values);
    const std::vector<legend_entry> ways = {{chart_colors::vermilion, "one scale per tensor"},
                                            {chart_colors::orange, "per row"},
                                            {chart_colors::blue, "per group"},
                                            {chart_colors::black, "Gaussian, per tensor"}};
    draw_rows(picture, {20, 510, 960, height_of_rows(shown)}, rows, axis_of(values, {.from_zero = true}),
              {.title = fmt::format("the worst first, {} of {}, and what finer scales mend", shown, layers.size()),
               .x = "SQNR in dB; more is better"});
    draw_legend(picture, {520, 524}, 980, ways);
    return {"quantization_risk", "outliers against quantization error, and what finer scales mend", picture.text(), table.text()};
}

}  // namespace weightscope
