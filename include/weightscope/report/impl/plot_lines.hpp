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
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_lines.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

// What tells names apart: "500" and "1000" of checkpoint-500.safetensors and checkpoint-1000.safetensors. What they have in common at
// their ends is left out, in whole words.
inline std::vector<std::string> distinct_parts(std::span<const std::string> names)
{
    constexpr const char* between_words = "-_./ ";
    std::vector<std::string> parts(names.begin(), names.end());
    if (parts.size() < 2)
        return parts;
    const auto common = [&](auto begin_of) {  // first bytes, seen from either end
        std::size_t count = parts[0].size();
        for (const std::string& part : parts) {
            count = std::min(count, part.size());
            const auto first = begin_of(parts[0]);
            count = static_cast<std::size_t>(std::mismatch(first, first + static_cast<std::ptrdiff_t>(count), begin_of(part)).first - first);
        }
        return count;
    };
    const std::size_t front = common([](const std::string& part) { return part.begin(); });
    const std::size_t word = front == 0 ? std::string::npos : parts[0].find_last_of(between_words, front - 1);
    for (std::string& part : parts)
        part.erase(0, word == std::string::npos ? 0 : word + 1);
    const std::size_t back = common([](const std::string& part) { return part.rbegin(); });
    const std::size_t stop = parts[0].find_first_of(between_words, parts[0].size() - back);
    for (std::string& part : parts)
        part.resize(part.size() - (stop == std::string::npos ? 0 : parts[0].size() - stop));
    return parts;
}

inline bool has_values(const line_panel& lines)
{
    return std::any_of(lines.series.begin(), lines.series.end(), [](const chart_series& series) {
        return std::any_of(series.values.begin(), series.values.end(), [](double value) { return std::isfinite(value); });
    });
}

// A line breaks where a value is missing.
inline void draw_series(svg_picture& picture, const chart_panel& panel, const chart_series& series, std::span<const std::string> steps, std::string_view color)
{
    std::vector<svg_point> line;
    const auto end_line = [&] {
        if (line.size() > 1)
            picture.polyline(line, {.color = color, .width = 2}, series.name);
        line.clear();
    };
    const double radius = steps.size() > 80 ? 1.5 : steps.size() > 30 ? 2.2 : 3.5;
    for (std::size_t i = 0; i < std::min(steps.size(), series.values.size()); ++i) {
        const double value = series.values[i];
        if (!std::isfinite(value) || (panel.y().logarithmic && !(value > 0))) {
            end_line();
            continue;
        }
        line.push_back(panel.at(static_cast<double>(i), value));
        picture.circle(line.back(), radius, color, fmt::format("{}, {}: {}", series.name, steps[i], figure(value)));
    }
    end_line();
}

inline void draw_lines(svg_picture& picture, const svg_box& area, const line_panel& lines, std::span<const std::string> steps)
{
    std::vector<double> values = lines.reached;
    for (const chart_series& series : lines.series)
        values.insert(values.end(), series.values.begin(), series.values.end());
    chart_axis x{.low = 0, .high = static_cast<double>(std::max<std::size_t>(steps.size(), 2) - 1)};
    const std::vector<std::string> labels = distinct_parts(steps);
    double widest = 10;
    for (const std::string& label : labels)
        widest = std::max(widest, std::min(text_width(label, 10), 80.0));
    const auto fitting = static_cast<std::size_t>(area.width / (widest + 8));
    const std::size_t every = (steps.size() + fitting - 1) / fitting;
    for (std::size_t i = 0; i < steps.size(); i += every)
        x.ticks.push_back({static_cast<double>(i), fitting_text(labels[i], 80, 10)});
    chart_panel panel(picture, area, std::move(x), axis_of(values, {.logarithmic = lines.logarithmic, .tick_count = 5}));
    panel.draw_frame({.title = lines.title, .y = lines.unit});
    std::vector<legend_entry> legend;
    for (std::size_t k = 0; k < lines.series.size(); ++k) {
        const std::string_view color = chart_colors::series[k % chart_colors::series.size()];
        draw_series(picture, panel, lines.series[k], steps, color);
        legend.push_back({color, fitting_text(lines.series[k].name, 150, 11)});
    }
    if (legend.size() > 1) {  // as many lines as it needs
        svg_point place{area.x, area.bottom() + 34};
        for (const legend_entry& entry : legend) {
            const double width = 31 + text_width(entry.text, 11);
            if (place.x > area.x && place.x + width > area.right() + 16)
                place = {area.x, place.y + 16};
            draw_legend(picture, place, area.right() + 16, std::span(&entry, 1));
            place.x += width;
        }
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_lines(const std::string& name, const std::string& title, const std::string& below, std::span<const std::string> steps,
                                    std::span<const line_panel> panels)
{
    csv_table table({"panel", "series", "step", "value"});
    for (const line_panel& panel : panels)
        for (const chart_series& series : panel.series)
            for (std::size_t i = 0; i < std::min(steps.size(), series.values.size()); ++i)
                table.add({panel.title, series.name, steps[i], csv_table::cell(series.values[i])});
    std::vector<const line_panel*> shown;
    for (const line_panel& panel : panels)
        if (detail::has_values(panel))
            shown.push_back(&panel);
    const auto rows = static_cast<double>((shown.size() + 1) / 2);
    svg_picture picture({1000, 80 + 340 * std::max(rows, 1.0)}, title);
    detail::draw_heading(picture, title, below);
    for (std::size_t i = 0; i < shown.size(); ++i)
        detail::draw_lines(picture, {75 + 490 * static_cast<double>(i % 2), 95 + 340 * static_cast<double>(i / 2), 400, 220}, *shown[i], steps);
    return {name, title, picture.text(), table.text()};
}

}  // namespace weightscope
