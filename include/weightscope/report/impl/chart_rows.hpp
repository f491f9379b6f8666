#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/chart_rows.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE void draw_rows(svg_picture& picture, const svg_box& box, std::span<const chart_row> rows, const chart_axis& axis,
                                  const panel_labels& labels, std::span<const axis_guide> guides)
{
    constexpr double size = 10.5;
    double names = 40, figures = 0;
    for (const chart_row& row : rows) {
        names = std::max(names, text_width(row.name, size) + 10);
        figures = std::max(figures, text_width(row.figure, size) + 10);
    }
    names = std::min(names, box.width * 0.36);
    figures = std::min(figures, box.width * 0.3);
    const svg_box area{box.x + names, box.y + 26, box.width - names - figures - 15, row_height * static_cast<double>(std::max<std::size_t>(rows.size(), 1))};
    chart_panel panel(picture, area, axis, {});
    panel.draw_frame({.x = labels.x});
    picture.text({box.x, box.y + 14}, fitting_text(labels.title, box.width, 12), {.size = 12, .bold = true});
    if (rows.empty())
        picture.text({area.x + area.width / 2, area.y + 13}, "none", {.anchor = svg_anchor::middle, .color = chart_colors::faint});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const chart_row& row = rows[i];
        const double top = area.y + row_height * static_cast<double>(i), middle = top + row_height / 2;
        picture.text({area.x - 6, middle + 3.5}, fitting_text(row.name, names - 8, size), {.size = size, .anchor = svg_anchor::end}, row.title);
        if (row.bar) {
            const double from = panel.across(axis.logarithmic ? axis.low : 0), to = panel.across(*row.bar);
            picture.rectangle({std::min(from, to), top + 3, std::max(std::max(from, to) - std::min(from, to), 1.0), row_height - 6}, row.color, row.title);
        }
        if (row.marks.size() > 1) {
            const auto [least, most] = std::minmax_element(row.marks.begin(), row.marks.end(),
                                                           [](const row_mark& a, const row_mark& b) { return a.value < b.value; });
            if (!row.bar)
                picture.line({panel.across(least->value), middle}, {panel.across(most->value), middle}, {.color = "#bbbbbb", .width = 1.5});
        }
        for (const row_mark& mark : row.marks) {
            const double x = panel.across(mark.value);
            if (mark.tick)
                picture.line({x, top + 2}, {x, top + row_height - 2}, {.color = mark.color, .width = 2}, mark.title);
            else
                picture.circle({x, middle}, mark.radius, mark.color, mark.title);
        }
        picture.text({area.right() + 9, middle + 3.5}, fitting_text(row.figure, figures, size), {.size = size, .color = chart_colors::faint}, row.title);
    }
    for (const axis_guide& guide : guides)
        if (guide.value >= axis.low && guide.value <= axis.high)
            picture.line({panel.across(guide.value), area.y}, {panel.across(guide.value), area.bottom()}, {.color = guide.color, .dashed = true}, guide.word);
}

}  // namespace weightscope
