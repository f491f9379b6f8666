#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_cells.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

inline double row_name_width(const cell_grid& grid, double most)
{
    double width = 20;
    for (const std::string& name : grid.rows)
        width = std::max(width, text_width(name, 10) + 8);
    return std::min(width, most);
}

}  // namespace detail

WEIGHTSCOPE_INLINE double height_of_cells(const cell_grid& grid)
{
    return 22 + cell_height(grid.rows.size()) * static_cast<double>(std::max<std::size_t>(grid.rows.size(), 1)) + 18;
}

WEIGHTSCOPE_INLINE void draw_cells(svg_picture& picture, const svg_box& box, const cell_grid& grid, std::span<const chart_cell> cells,
                                   std::string_view title)
{
    picture.text({box.x, box.y + 12}, fitting_text(title, box.width, 12), {.size = 12, .bold = true});
    if (grid.rows.empty() || grid.columns.empty())
        return;
    const double names = detail::row_name_width(grid, box.width * 0.3), height = cell_height(grid.rows.size());
    const double width = std::min(46.0, (box.width - names) / static_cast<double>(grid.columns.size()));
    const svg_point corner{box.x + names, box.y + 22};
    const double gap = std::min(width, height) > 6 ? 1 : 0;
    double free_from = -1e9;
    for (std::size_t i = 0; i < grid.rows.size(); ++i) {
        const double base = corner.y + height * (static_cast<double>(i) + 0.5) + 3.5;
        if (base - 9 < free_from)
            continue;
        picture.text({corner.x - 5, base}, fitting_text(grid.rows[i], names - 6, 10), {.size = 10, .anchor = svg_anchor::end}, grid.rows[i]);
        free_from = base + 2.5;
    }
    double widest = 1;
    std::size_t first = grid.columns.size();  // that has a name
    for (std::size_t i = grid.columns.size(); i-- > 0;) {
        widest = std::max(widest, text_width(fitting_text(grid.columns[i], std::max(width, 110.0), 10), 10) + 5);
        first = grid.columns[i].empty() ? first : i;
    }
    const auto every = static_cast<std::size_t>(std::ceil(widest / width));
    for (std::size_t i = first; i < grid.columns.size(); i += every) {
        const std::string name = fitting_text(grid.columns[i], std::max(width, 110.0), 10);
        const double middle = corner.x + width * (static_cast<double>(i) + 0.5);
        if (middle + text_width(name, 10) / 2 <= box.right() + 18)
            picture.text({middle, corner.y + height * static_cast<double>(grid.rows.size()) + 13}, name,
                         {.size = 10, .anchor = svg_anchor::middle, .color = chart_colors::faint}, grid.columns[i]);
    }
    for (const chart_cell& cell : cells)
        picture.rectangle({corner.x + width * static_cast<double>(cell.column), corner.y + height * static_cast<double>(cell.row), width - gap, height - gap},
                          cell.color, cell.title);
}

WEIGHTSCOPE_INLINE void draw_color_bar(svg_picture& picture, const svg_box& box, const chart_axis& axis, std::string_view label,
                                       std::string (*color)(double))
{
    constexpr int steps = 48;
    const double width = box.width / steps;
    for (int i = 0; i < steps; ++i)
        picture.rectangle({box.x + width * i, box.y, width + 0.5, 9}, color((i + 0.5) / steps));
    double free_from = -1e9;
    for (const axis_tick& tick : axis.ticks) {
        const double x = box.x + axis.share(tick.value) * box.width, half = text_width(tick.label, 10) / 2;
        if (x - half < free_from)
            continue;
        picture.text({x, box.y + 20}, tick.label, {.size = 10, .anchor = svg_anchor::middle, .color = chart_colors::faint});
        free_from = x + half + 5;
    }
    picture.text({box.x - 14, box.y + 9}, label, {.anchor = svg_anchor::end, .color = chart_colors::faint});
}

WEIGHTSCOPE_INLINE layer_grid grid_of(std::span<const layer_label> labels)
{
    constexpr std::size_t most_rows = 30, most_columns = 200;
    layer_grid result;
    std::map<std::string, std::size_t> rows, columns;
    std::set<std::pair<std::size_t, std::size_t>> taken;
    const auto place_in = [](std::map<std::string, std::size_t>& places, std::vector<std::string>& names, const std::string& name) {
        const auto [found, inserted] = places.emplace(name, names.size());
        if (inserted)
            names.push_back(name);
        return found->second;
    };
    bool sound = true;
    for (const layer_label& label : labels) {
        const std::size_t row = place_in(rows, result.grid.rows, label.block.empty() ? label.text : label.role);
        result.places.emplace_back(row, place_in(columns, result.grid.columns, label.block));
        sound = sound && taken.insert(result.places.back()).second;
    }
    if (sound && result.grid.rows.size() <= most_rows && result.grid.columns.size() >= 3 && result.grid.columns.size() <= most_columns)
        return result;
    result = {};
    const std::size_t per_row = labels.size() <= 12 ? 1 : std::clamp<std::size_t>(labels.size() / 20 + 1, 10, 60);
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (i % per_row == 0)
            result.grid.rows.push_back(labels[i].text);
        result.places.emplace_back(i / per_row, i % per_row);
    }
    for (std::size_t i = 0; i < std::min(per_row, labels.size()); ++i)
        result.grid.columns.push_back(per_row == 1 ? std::string() : fmt::format("+{}", i));
    return result;
}

}  // namespace weightscope
