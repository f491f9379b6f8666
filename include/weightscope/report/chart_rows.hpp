#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

/// A figure on the line of a row.
struct row_mark
{
    double value = 0;
    std::string_view color = chart_colors::blue;
    std::string title = {};
    bool tick = false;  ///< a short upright line instead of a dot: a yardstick
    double radius = 4;
};

/// One line of a chart: a name, a bar or marks, a figure in words.
struct chart_row
{
    std::string name = {};
    std::string title = {};            ///< tooltip of the name and the bar
    std::optional<double> bar = {};    ///< its end
    std::string_view color = chart_colors::blue;
    std::vector<row_mark> marks = {};  ///< joined by a line
    std::string figure = {};           ///< at the right end
};

/// A value that rows are held against.
struct axis_guide
{
    double value = 0;
    std::string word = {};
    std::string_view color = chart_colors::faint;
};

inline constexpr double row_height = 18;  ///< pixels of a row

/// Pixels that draw_rows takes for so many rows.
[[nodiscard]] constexpr double height_of_rows(std::size_t count)
{
    return 26 + row_height * static_cast<double>(count > 0 ? count : 1) + 38;
}

/// Draws rows below each other, their names on the left.
///
/// @param box     all that they may take, frame and names included; as high as height_of_rows
/// @param axis    of the values; bars begin at 0 where it reaches that, else at its low end
/// @param labels  `y` is not shown
WEIGHTSCOPE_INLINE void draw_rows(svg_picture& picture, const svg_box& box, std::span<const chart_row> rows, const chart_axis& axis,
                                  const panel_labels& labels, std::span<const axis_guide> guides = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_rows.hpp>
#endif
