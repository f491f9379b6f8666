#pragma once

#include <span>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

/// What stands around a panel.
struct panel_labels
{
    std::string title = {};
    std::string x = {};  ///< what the axes measure
    std::string y = {};
};

/// A rectangle with two axes that marks are drawn into.
///
///     chart_panel panel(picture, {60, 40, 400, 200}, axis_of(x), axis_of(y));
///     panel.draw_frame({.title = "loss", .x = "step", .y = "nats"});
///     picture.circle(panel.at(3, 0.5), 3, chart_colors::blue, "step 3: 0.5");
///
/// An axis without ticks has none drawn, so that names may stand there. `area` is the inside; tick labels and titles take up to
/// 22 pixels more above, 34 below and 60 on the left.
class chart_panel
{
public:
    chart_panel(svg_picture& picture, const svg_box& area, chart_axis x, chart_axis y);

    [[nodiscard]] const svg_box& area() const { return area_; }
    [[nodiscard]] const chart_axis& x() const { return x_; }
    [[nodiscard]] const chart_axis& y() const { return y_; }
    [[nodiscard]] double across(double x) const { return area_.x + x_.share(x) * area_.width; }
    [[nodiscard]] double height_of(double y) const { return area_.bottom() - y_.share(y) * area_.height; }

    /// Where a point lies; one outside the axes lies on the frame.
    [[nodiscard]] svg_point at(double x, double y) const { return {across(x), height_of(y)}; }

    void draw_frame(const panel_labels& labels);

    /// A dashed line at a value, with a word at its end, where the axis reaches it.
    void guide_x(double value, std::string_view word, std::string_view color = chart_colors::faint);

    void guide_y(double value, std::string_view word, std::string_view color = chart_colors::faint);

private:
    svg_picture& picture_;
    svg_box area_;
    chart_axis x_, y_;
};

/// A colour and what it stands for.
struct legend_entry
{
    std::string_view color;
    std::string text;
};

/// Draws a legend in one line from `place` on, which is on its base line; what would pass `right` is left out.
WEIGHTSCOPE_INLINE void draw_legend(svg_picture& picture, svg_point place, double right, std::span<const legend_entry> entries);

/// A name that a scatter plot would like to have beside a point.
struct wished_label
{
    svg_point point;
    std::string text;
    std::string title;
};

/// Writes as many of these, the first ones first, as find a place inside `area` where they touch no other and none of the `points`.
WEIGHTSCOPE_INLINE void draw_labels(svg_picture& picture, const svg_box& area, std::span<const wished_label> labels,
                                    std::span<const svg_point> points);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_panel.hpp>
#endif
