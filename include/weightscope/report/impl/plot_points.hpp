#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE chart plot_trade_offs(const trade_off_chart& of)
{
    csv_table table({"name", of.cost, of.loss, "on_front", "recommended"});
    std::vector<double> x, y;
    double least = 0;
    for (const trade_off& p : of.points) {
        table.add({p.name, csv_table::cell(p.cost), csv_table::cell(p.loss), p.on_front ? "true" : "false", p.recommended ? "true" : "false"});
        if (p.loss > 0 && (least == 0 || p.loss < least))
            least = p.loss;
    }
    const auto loss_of = [&](const trade_off& p) { return of.logarithmic_loss && !(p.loss > 0) ? least / 10 : p.loss; };
    std::vector<const trade_off*> shown;
    for (const trade_off& p : of.points)
        if (std::isfinite(p.cost) && std::isfinite(p.loss) && (!of.logarithmic_cost || p.cost > 0)) {
            shown.push_back(&p);
            x.push_back(p.cost);
            if (loss_of(p) > 0 || !of.logarithmic_loss)
                y.push_back(loss_of(p));
        }
    svg_picture picture({1000, 620}, of.title);
    detail::draw_heading(picture, of.title, of.below);
    chart_panel panel(picture, {75, 92, 905, 460}, axis_of(x, {.logarithmic = of.logarithmic_cost, .tick_count = 8}),
                      axis_of(y, {.logarithmic = of.logarithmic_loss, .tick_count = 8}));
    panel.draw_frame({.x = of.cost, .y = of.loss});
    std::stable_sort(shown.begin(), shown.end(), [](const trade_off* a, const trade_off* b) { return a->cost < b->cost; });
    std::vector<svg_point> front;
    std::vector<wished_label> labels;
    for (const trade_off* p : shown)
        if (p->on_front)
            front.push_back(panel.at(p->cost, loss_of(*p)));
    if (front.size() > 1)
        picture.polyline(front, {.color = chart_colors::blue, .width = 1.5}, "nothing is better in both");
    const auto rank_of = [](const trade_off* p) { return p->recommended ? 0 : p->on_front ? 1 : 2; };
    std::stable_sort(shown.begin(), shown.end(), [&](const trade_off* a, const trade_off* b) { return rank_of(a) > rank_of(b); });
    const double radius = shown.size() > 100 ? 3 : 4.5;
    for (const trade_off* p : shown) {  // the recommended one on top of all
        const svg_point at = panel.at(p->cost, loss_of(*p));
        const std::string words = fmt::format("{}: {} {}, {} {}", p->name, of.cost, detail::figure(p->cost), of.loss, detail::figure(p->loss));
        const std::string_view color = p->recommended ? chart_colors::vermilion : p->on_front ? chart_colors::blue : std::string_view("#a0a0a0");
        picture.circle(at, p->recommended ? 7 : radius, color, words, "#ffffff");
        labels.insert(labels.begin(), {at, p->name, words});  // and the first one to get its name
    }
    std::vector<svg_point> points;
    for (const wished_label& label : labels)
        points.push_back(label.point);
    draw_labels(picture, panel.area(), std::span(labels).first(std::min<std::size_t>(labels.size(), 40)), points);
    const std::vector<legend_entry> legend = {{chart_colors::vermilion, "recommended"},
                                              {chart_colors::blue, "nothing is better in both"},
                                              {"#a0a0a0", "others"}};
    draw_legend(picture, {75, 76}, 980, legend);
    return {of.name, of.title, picture.text(), table.text()};
}

WEIGHTSCOPE_INLINE chart plot_scheme_errors(const quantization_study_result& study)
{
    trade_off_chart of{.name = "scheme_errors",
                       .title = "What quantizing costs and loses",
                       .below = fmt::format("{}, {} parameters, {} bytes as stored", study.model.path, detail::grouped(study.model.parameters),
                                            detail::grouped(static_cast<std::size_t>(study.model.bytes))),
                       .cost = "bits per weight, scales and what is kept included",
                       .loss = "relative error"};
    for (std::size_t v = 0; v < study.variants.size(); ++v) {
        const variant_result& variant = study.variants[v];
        if (variant.bits_per_weight.exists() && variant.error.relative_error.exists())
            of.points.push_back({variant.name, variant.bits_per_weight.value, variant.error.relative_error.value, variant.on_frontier, v == study.recommended});
    }
    return plot_trade_offs(of);
}

WEIGHTSCOPE_INLINE chart plot_allocation_front(std::span<const allocation_point> points, const std::string& loss)
{
    trade_off_chart of{.name = "allocation_front", .title = "Bits and what they save", .cost = "bits per weight", .loss = loss};
    of.below = fmt::format("{} allocations", points.size());
    for (const allocation_point& p : points) {
        const bool beaten = std::any_of(points.begin(), points.end(), [&](const allocation_point& q) {
            return q.bits_per_weight <= p.bits_per_weight && q.loss <= p.loss && (q.bits_per_weight < p.bits_per_weight || q.loss < p.loss);
        });
        of.points.push_back({p.name, p.bits_per_weight, p.loss, !beaten, p.chosen});
    }
    return plot_trade_offs(of);
}

}  // namespace weightscope
