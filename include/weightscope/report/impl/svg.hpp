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
#include <weightscope/io/printable.hpp>
#include <weightscope/report/svg.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE bool svg_box::meets(const svg_box& other) const
{
    return x < other.right() && other.x < right() && y < other.bottom() && other.y < bottom();
}

WEIGHTSCOPE_INLINE bool svg_box::holds(const svg_box& other) const
{
    return other.x >= x && other.right() <= right() && other.y >= y && other.bottom() <= bottom();
}

namespace detail {

WEIGHTSCOPE_INLINE std::string svg_number(double value)
{
    const double rounded = std::nearbyint((std::isfinite(value) ? value : 0) * 100) / 100;
    return fmt::format("{}", rounded == 0 ? 0.0 : rounded);
}

WEIGHTSCOPE_INLINE std::string xml_text(std::string_view text)
{
    const std::string safe = harmless(text);
    std::string result;
    for (const placed_character& c : characters_of(safe)) {
        if (c.bytes == "&")
            result += "&amp;";
        else if (c.bytes == "<")
            result += "&lt;";
        else if (c.bytes == ">")
            result += "&gt;";
        else if (c.bytes == "\"")
            result += "&quot;";
        else if (c.bytes == "'")
            result += "&#39;";
        else
            result += c.bytes == "\xef\xbf\xbe" || c.bytes == "\xef\xbf\xbf" ? "\xef\xbf\xbd" : c.bytes;  // U+FFFE, U+FFFF
    }
    return result;
}

// In units of the font size; a little more than DejaVu Sans takes, the widest of the sans-serif fonts that machines fall back on.
inline double character_width(const placed_character& c)
{
    if (c.columns == 0)
        return 0;
    if (c.columns == 2)
        return 1.05;
    if (c.bytes.size() > 1)
        return 0.8;
    constexpr std::string_view narrow = "ijlI.,:;'|! ", slim = "frt()[]{}/\\-\"", wide = "mwMW%@", upright = "ABCDEGHKNOPQRSTUVXYZ&#=<>+~";
    const char letter = c.bytes[0];
    return narrow.find(letter) != std::string_view::npos ? 0.34 : slim.find(letter) != std::string_view::npos ? 0.46
           : wide.find(letter) != std::string_view::npos ? 1.0 : upright.find(letter) != std::string_view::npos ? 0.8 : 0.65;
}

}  // namespace detail

WEIGHTSCOPE_INLINE double text_width(std::string_view text, double size)
{
    const std::string safe = detail::harmless(text);
    double width = 0;
    for (const detail::placed_character& c : detail::characters_of(safe))
        width += detail::character_width(c);
    return width * size;
}

WEIGHTSCOPE_INLINE std::string fitting_text(std::string_view text, double width, double size)
{
    const std::string whole = detail::harmless(text);
    std::size_t columns = detail::display_width(whole);
    std::string result = whole;
    while (columns > 1 && text_width(result, size) > width)
        result = detail::shortened(whole, --columns);
    return text_width(result, size) <= width ? result : std::string();
}

WEIGHTSCOPE_INLINE svg_picture::svg_picture(size extent, std::string_view title) : extent_(extent)
{
    body_ = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
                        "font-family=\"sans-serif\">\n<title>{2}</title>\n<rect x=\"0\" y=\"0\" width=\"{0}\" height=\"{1}\" "
                        "fill=\"#ffffff\"/>\n",
                        detail::svg_number(extent.width), detail::svg_number(extent.height), detail::xml_text(title));
}

WEIGHTSCOPE_INLINE void svg_picture::rectangle(const svg_box& box, std::string_view fill, std::string_view title, std::string_view outline)
{
    mark("rect",
         fmt::format("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"{}", detail::svg_number(box.x), detail::svg_number(box.y),
                     detail::svg_number(std::max(box.width, 0.0)), detail::svg_number(std::max(box.height, 0.0)), fill,
                     outline.empty() ? std::string() : fmt::format(" stroke=\"{}\"", outline)),
         title);
}

WEIGHTSCOPE_INLINE void svg_picture::circle(const svg_point& center, double radius, std::string_view fill, std::string_view title,
                                            std::string_view outline)
{
    mark("circle",
         fmt::format("cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{}", detail::svg_number(center.x), detail::svg_number(center.y),
                     detail::svg_number(radius), fill, outline.empty() ? std::string() : fmt::format(" stroke=\"{}\"", outline)),
         title);
}

WEIGHTSCOPE_INLINE void svg_picture::line(const svg_point& from, const svg_point& to, const svg_line_style& style, std::string_view title)
{
    polyline(std::vector<svg_point>{from, to}, style, title);
}

WEIGHTSCOPE_INLINE void svg_picture::polyline(std::span<const svg_point> points, const svg_line_style& style, std::string_view title)
{
    std::string places;
    for (const svg_point& p : points)
        places += fmt::format("{}{},{}", places.empty() ? "" : " ", detail::svg_number(p.x), detail::svg_number(p.y));
    mark("polyline",
         fmt::format("points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{}", places, style.color, detail::svg_number(style.width),
                     style.dashed ? " stroke-dasharray=\"4 3\"" : ""),
         title);
}

WEIGHTSCOPE_INLINE void svg_picture::text(const svg_point& place, std::string_view words, const svg_text_style& style, std::string_view title)
{
    if (words.empty())
        return;
    constexpr std::string_view anchors[] = {"start", "middle", "end"};
    const std::string x = detail::svg_number(place.x), y = detail::svg_number(place.y);
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{}\" fill=\"{}\"{}{}{}>", x, y, detail::svg_number(style.size),
                         anchors[static_cast<std::size_t>(style.anchor)], style.color, style.bold ? " font-weight=\"bold\"" : "",
                         style.halo ? " stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"" : "",
                         style.upwards ? fmt::format(" transform=\"rotate(-90 {} {})\"", x, y) : std::string());
    body_ += detail::xml_text(words);
    if (!title.empty())
        body_ += fmt::format("<title>{}</title>", detail::xml_text(title));
    body_ += "</text>\n";
}

WEIGHTSCOPE_INLINE void svg_picture::mark(std::string_view element, std::string_view attributes, std::string_view title)
{
    body_ += title.empty() ? fmt::format("<{} {}/>\n", element, attributes)
                           : fmt::format("<{0} {1}><title>{2}</title></{0}>\n", element, attributes, detail::xml_text(title));
}

WEIGHTSCOPE_INLINE svg_box text_box(const svg_point& place, std::string_view words, const svg_text_style& style)
{
    const double length = text_width(words, style.size), rise = 0.8 * style.size, drop = 0.22 * style.size;
    const double before = style.anchor == svg_anchor::start ? 0 : style.anchor == svg_anchor::middle ? length / 2 : length;
    if (style.upwards)
        return {place.x - rise, place.y - (length - before), rise + drop, length};
    return {place.x - before, place.y - rise, length, rise + drop};
}

}  // namespace weightscope
