#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE chart_panel::chart_panel(svg_picture& picture, const svg_box& area, chart_axis x, chart_axis y)
    : picture_(picture), area_(area), x_(std::move(x)), y_(std::move(y))
{
}

WEIGHTSCOPE_INLINE void chart_panel::draw_frame(const panel_labels& labels)
{
    constexpr svg_text_style tick{.size = 10, .anchor = svg_anchor::middle, .color = chart_colors::faint};
    double free_from = -1e9;  // labels that would touch the one before are left out
    for (const axis_tick& t : x_.ticks) {
        const double x = across(t.value), half = text_width(t.label, tick.size) / 2;
        picture_.line({x, area_.y}, {x, area_.bottom()}, {.color = chart_colors::rule});
        if (x - half < free_from)
            continue;
        picture_.text({x, area_.bottom() + 14}, t.label, tick);
        free_from = x + half + 6;
    }
    double free_below = 1e9;
    for (const axis_tick& t : y_.ticks) {
        const double y = height_of(t.value);
        picture_.line({area_.x, y}, {area_.right(), y}, {.color = chart_colors::rule});
        if (y + 5 > free_below)
            continue;
        picture_.text({area_.x - 5, y + 3.5}, t.label, {.size = 10, .anchor = svg_anchor::end, .color = chart_colors::faint});
        free_below = y - 9;
    }
    picture_.polyline(std::vector<svg_point>{{area_.x, area_.y}, {area_.x, area_.bottom()}, {area_.right(), area_.bottom()}},
                      {.color = chart_colors::faint});
    picture_.text({area_.x, area_.y - 8}, fitting_text(labels.title, area_.width, 12), {.size = 12, .bold = true});
    picture_.text({area_.x + area_.width / 2, area_.bottom() + 29}, fitting_text(labels.x, area_.width, 11),
                  {.anchor = svg_anchor::middle, .color = chart_colors::faint});
    picture_.text({area_.x - 46, area_.y + area_.height / 2}, fitting_text(labels.y, area_.height, 11),
                  {.anchor = svg_anchor::middle, .color = chart_colors::faint, .upwards = true});
}

WEIGHTSCOPE_INLINE void chart_panel::guide_x(double value, std::string_view word, std::string_view color)
{
    if (value < x_.low || value > x_.high)
        return;
    const bool left = across(value) + text_width(word, 10) + 4 > area_.right();
    picture_.line({across(value), area_.y}, {across(value), area_.bottom()}, {.color = color, .dashed = true}, word);
    picture_.text({across(value) + (left ? -3 : 3), area_.y + 9}, word,
                  {.size = 10, .anchor = left ? svg_anchor::end : svg_anchor::start, .color = chart_colors::faint});
}

WEIGHTSCOPE_INLINE void chart_panel::guide_y(double value, std::string_view word, std::string_view color)
{
    if (value < y_.low || value > y_.high)
        return;
    const double y = height_of(value);
    picture_.line({area_.x, y}, {area_.right(), y}, {.color = color, .dashed = true}, word);
    picture_.text({area_.right() - 3, y - 3 < area_.y + 8 ? y + 10 : y - 3}, word,
                  {.size = 10, .anchor = svg_anchor::end, .color = chart_colors::faint});
}

WEIGHTSCOPE_INLINE void draw_legend(svg_picture& picture, svg_point place, double right, std::span<const legend_entry> entries)
{
    for (const legend_entry& entry : entries) {
        const double width = text_width(entry.text, 11);
        if (place.x + 15 + width > right)
            return;
        picture.rectangle({place.x, place.y - 8.5, 10, 10}, entry.color, entry.text);
        picture.text({place.x + 15, place.y}, entry.text, {.color = chart_colors::faint});
        place.x += 15 + width + 16;
    }
}

WEIGHTSCOPE_INLINE void draw_labels(svg_picture& picture, const svg_box& area, std::span<const wished_label> labels,
                                    std::span<const svg_point> points)
{
    constexpr double distance = 9;
    std::vector<svg_box> taken;
    for (const svg_point& point : points)
        taken.push_back({point.x - 4, point.y - 4, 8, 8});
    for (const wished_label& label : labels) {
        const std::string text = fitting_text(label.text, 170, 10);
        const std::pair<svg_point, svg_anchor> places[] = {{{label.point.x + distance, label.point.y + 3.5}, svg_anchor::start},
                                                           {{label.point.x - distance, label.point.y + 3.5}, svg_anchor::end},
                                                           {{label.point.x, label.point.y - distance + 1}, svg_anchor::middle},
                                                           {{label.point.x, label.point.y + distance + 8}, svg_anchor::middle},
                                                           {{label.point.x + distance, label.point.y - 9}, svg_anchor::start},
                                                           {{label.point.x + distance, label.point.y + 15}, svg_anchor::start}};
        for (const auto& [place, anchor] : places) {
            const svg_text_style style{.size = 10, .anchor = anchor, .halo = true};
            const svg_box box = text_box(place, text, style);
            if (!area.holds(box) || std::any_of(taken.begin(), taken.end(), [&](const svg_box& other) { return box.meets(other); }))
                continue;
            picture.text(place, text, style, label.title);
            taken.push_back(box);
            break;
        }
    }
}

}  // namespace weightscope
