#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_rank_efficiency.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

// Ranks as percentages of the smaller side of the matrix.
struct charted_rank
{
    std::size_t layer = 0;
    double total = 0, numerical = 0, energy_90 = 0, energy_99 = 0, stable = 0, gaussian_stable = 0, break_even = 0;
};

inline std::vector<charted_rank> charted_ranks(const scan_result& scan)
{
    std::vector<charted_rank> result;
    for (std::size_t i = 0; i < scan.layers.size(); ++i) {
        const auto& s = scan.layers[i].spectral;
        if (!s || s->total_rank == 0 || !s->numerical_rank.exists() || !s->rank_99_energy.exists() || !s->rank_90_energy.exists())
            continue;
        const auto total = static_cast<double>(s->total_rank);
        const auto percent = [total](double rank) { return 100 * rank / total; };
        result.push_back({.layer = i,
                          .total = total,
                          .numerical = percent(s->numerical_rank.value),
                          .energy_90 = percent(s->rank_90_energy.value),
                          .energy_99 = percent(s->rank_99_energy.value),
                          .stable = s->stable_rank.exists() ? percent(s->stable_rank.value) : 0,
                          .gaussian_stable = percent(s->gaussian_stable_rank),
                          .break_even = percent(break_even_rank(s->rows, s->cols))});
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_rank_efficiency(const scan_result& scan, const health_result& health)
{
    const auto rules = {std::string_view("low_rank"), std::string_view("low_stable_rank"), std::string_view("all_zero"), std::string_view("constant"),
                        std::string_view("dead_rows"), std::string_view("dead_columns")};
    const charted_scan charted(scan, health);
    auto ranks = detail::charted_ranks(scan);
    csv_table table({"name", "total_rank", "numerical_rank_percentage", "rank_90_energy_percentage", "rank_99_energy_percentage", "stable_rank_percentage",
                     "gaussian_stable_rank_percentage", "break_even_rank_percentage"});
    for (const auto& r : ranks)
        table.add({charted.layer(r.layer).name, csv_table::cell(r.total), csv_table::cell(r.numerical), csv_table::cell(r.energy_90),
                   csv_table::cell(r.energy_99), csv_table::cell(r.stable), csv_table::cell(r.gaussian_stable), csv_table::cell(r.break_even)});

    const std::size_t shown = std::min(ranks.size(), most_charted_rows);
    svg_picture picture({1000, 380 + height_of_rows(shown)}, "Rank efficiency");
    detail::draw_heading(picture, "How many directions each matrix uses", detail::model_words(scan));
    const chart_axis percent = axis_of(std::vector<double>{0, 100}, {.from_zero = true, .tick_count = 5});
    chart_axis order{.low = 0, .high = static_cast<double>(std::max<std::size_t>(ranks.size(), 1))};
    std::string block;
    for (std::size_t k = 0; k < ranks.size(); ++k)
        if (const layer_label& label = charted.labels()[ranks[k].layer]; label.block != block) {
            if (!label.block.empty())
                order.ticks.push_back({static_cast<double>(k) + 0.5, fitting_text(label.block, 90, 10)});
            block = label.block;
        }
    if (order.ticks.empty())  // no blocks: names of layers
        for (std::size_t k = 0; k < ranks.size(); k += ranks.size() / 8 + 1)
            order.ticks.push_back({static_cast<double>(k) + 0.5, fitting_text(charted.labels()[ranks[k].layer].text, 90, 10)});
    if (const std::size_t every = order.ticks.size() / 24 + 1; every > 1)
        std::erase_if(order.ticks, [every, k = std::size_t{0}](const axis_tick&) mutable { return k++ % every != 0; });
    chart_panel panel(picture, {70, 90, 910, 220}, order, percent);
    panel.draw_frame({.x = "matrices in the order of the model", .y = "% of the smaller side"});
    const double radius = ranks.size() > 200 ? 2 : 3;
    for (std::size_t k = 0; k < ranks.size(); ++k) {
        const auto& r = ranks[k];
        const double x = static_cast<double>(k) + 0.5;
        const auto title = [&](const char* what, double value) {
            return charted.title(r.layer, fmt::format("{} {} % of {}", what, detail::figure(value), detail::figure(r.total)), rules);
        };
        const bool found = charted.worst(r.layer, rules) != nullptr;
        picture.circle(panel.at(x, r.numerical), radius + (found ? 2 : 1), charted.color(r.layer, rules, chart_colors::ink),
                       title("numerical rank", r.numerical));
        const auto short_title = [&](const char* what, double value) {  // where there are many: the mark above tells the rest
            return ranks.size() > 500 ? fmt::format("{}: {} {} %", charted.labels()[r.layer].text, what, detail::figure(value)) : title(what, value);
        };
        picture.circle(panel.at(x, r.energy_99), radius, chart_colors::green, short_title("99 % of the energy in", r.energy_99));
        picture.circle(panel.at(x, r.energy_90), radius - 0.5, chart_colors::sky, short_title("90 % of the energy in", r.energy_90));
    }
    const std::vector<legend_entry> legend = {{chart_colors::sky, "rank of 90 % of the energy"},
                                              {chart_colors::green, "of 99 %"},
                                              {chart_colors::ink, "numerical rank"},
                                              {chart_colors::vermilion, "the same, critical finding"},
                                              {chart_colors::orange, "warning"},
                                              {chart_colors::purple, "break-even of two factors"}};
    draw_legend(picture, {70, 76}, 980, legend);

    std::stable_sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) {
        return std::pair(a.numerical, a.energy_99 / a.break_even) < std::pair(b.numerical, b.energy_99 / b.break_even);
    });
    std::vector<chart_row> rows;
    for (const auto& r : std::span(ranks).first(shown)) {
        chart_row row{.name = charted.labels()[r.layer].text,
                      .title = charted.title(r.layer, fmt::format("numerical rank {} %", detail::figure(r.numerical)), rules)};
        row.marks = {{r.break_even, chart_colors::purple, fmt::format("break-even {:.1f} %", r.break_even), true},
                     {r.numerical, charted.color(r.layer, rules, chart_colors::ink), fmt::format("numerical rank {:.1f} %", r.numerical), false, 6},
                     {r.energy_99, chart_colors::green, fmt::format("99 % of the energy in {:.1f} %", r.energy_99)},
                     {r.energy_90, chart_colors::sky, fmt::format("90 % of the energy in {:.1f} %", r.energy_90), false, 3}};  // where they agree all are seen
        row.figure = fmt::format("{} of {}", detail::figure(std::nearbyint(r.numerical * r.total / 100)), detail::figure(r.total));
        rows.push_back(std::move(row));
    }
    draw_rows(picture, {20, 360, 960, height_of_rows(shown)}, rows, percent,
              {.title = fmt::format("lowest numerical rank first, {} of {}; two factors save room left of the purple line", shown, ranks.size()),
               .x = "% of the smaller side"});
    return {"rank_efficiency", "numerical and energy ranks beside the break-even rank", picture.text(), table.text()};
}

}  // namespace weightscope
