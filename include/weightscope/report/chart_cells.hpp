#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

/// A table of places with names along its sides.
struct cell_grid
{
    std::vector<std::string> rows = {};
    std::vector<std::string> columns = {};
};

struct chart_cell
{
    std::size_t row = 0, column = 0;
    std::string color = {};
    std::string title = {};
};

/// Height of a cell such that `count` rows stay readable and a few hundred still fit a picture.
[[nodiscard]] constexpr double cell_height(std::size_t count)
{
    return count <= 30 ? 18 : count <= 60 ? 14 : count <= 120 ? 11 : 4;
}

/// Pixels that draw_cells takes.
[[nodiscard]] WEIGHTSCOPE_INLINE double height_of_cells(const cell_grid& grid);

/// Draws cells, row names on the left, column names below; names that would touch are left out.
///
/// @param box  all that they may take; as high as height_of_cells
WEIGHTSCOPE_INLINE void draw_cells(svg_picture& picture, const svg_box& box, const cell_grid& grid, std::span<const chart_cell> cells,
                                   std::string_view title);

/// Draws what the colours of chart_colors::sequential or diverging stand for: a bar, and the axis' ticks below it.
WEIGHTSCOPE_INLINE void draw_color_bar(svg_picture& picture, const svg_box& box, const chart_axis& axis, std::string_view label,
                                       std::string (*color)(double));

/// Where each layer stands in a grid: blocks are columns and roles are rows, where layers have such; else rows of layers in their
/// order, each named by its first one.
struct layer_grid
{
    cell_grid grid = {};
    std::vector<std::pair<std::size_t, std::size_t>> places = {};  ///< row and column of each layer
};

[[nodiscard]] WEIGHTSCOPE_INLINE layer_grid grid_of(std::span<const layer_label> labels);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_cells.hpp>
#endif
