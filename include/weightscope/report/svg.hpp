#pragma once

#include <span>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// A place in a picture, in pixels from its upper left corner.
struct svg_point
{
    double x = 0, y = 0;
};

struct svg_box
{
    double x = 0, y = 0, width = 0, height = 0;

    [[nodiscard]] double right() const { return x + width; }
    [[nodiscard]] double bottom() const { return y + height; }
    [[nodiscard]] bool meets(const svg_box& other) const;
    [[nodiscard]] bool holds(const svg_box& other) const;
};

/// Which end of a text its place is.
enum class svg_anchor
{
    start,
    middle,
    end
};

struct svg_text_style
{
    double size = 11;
    svg_anchor anchor = svg_anchor::start;
    std::string_view color = "#222222";
    bool bold = false;
    bool upwards = false;  ///< turned by 90 degrees against the clock
    bool halo = false;     ///< a white rim, so that it can be read on top of lines
};

struct svg_line_style
{
    std::string_view color = "#222222";
    double width = 1;
    bool dashed = false;
};

namespace detail {

WEIGHTSCOPE_INLINE std::string svg_number(double value);

// Text that no XML reader takes for anything else, with nothing in it that XML does not allow.
WEIGHTSCOPE_INLINE std::string xml_text(std::string_view text);

}  // namespace detail

/// About how many pixels a text takes in a font of `size`; rather too much than too little.
[[nodiscard]] WEIGHTSCOPE_INLINE double text_width(std::string_view text, double size);

/// The text if it takes at most `width` pixels, else shortened in its middle.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string fitting_text(std::string_view text, double width, double size);

/// A picture in the making: marks in the order in which they are drawn, each with what it stands for as its tooltip.
///
///     svg_picture picture({200, 100}, "two bars");
///     picture.rectangle({10, 10, 100, 20}, "#0072b2", "first: 5");
///     atomic_file("bars.svg").write(picture.text());
///
/// The text is SVG 1.1 with shapes and texts alone: no script, no event attribute, no reference to anything outside, the reader's
/// own sans-serif font. Names from outside may hold any bytes.
class svg_picture
{
public:
    struct size
    {
        double width = 0, height = 0;
    };

    svg_picture(size extent, std::string_view title);

    [[nodiscard]] size extent() const { return extent_; }

    void rectangle(const svg_box& box, std::string_view fill, std::string_view title = {}, std::string_view outline = {});

    void circle(const svg_point& center, double radius, std::string_view fill, std::string_view title = {}, std::string_view outline = {});

    void line(const svg_point& from, const svg_point& to, const svg_line_style& style = {}, std::string_view title = {});

    void polyline(std::span<const svg_point> points, const svg_line_style& style = {}, std::string_view title = {});

    /// @param place  of the text's base line
    void text(const svg_point& place, std::string_view words, const svg_text_style& style = {}, std::string_view title = {});

    /// The whole picture as the text of an SVG file.
    [[nodiscard]] std::string text() const { return body_ + "</svg>\n"; }

private:
    void mark(std::string_view element, std::string_view attributes, std::string_view title);

    size extent_;
    std::string body_;
};

/// The room that a text takes in a picture, estimated.
[[nodiscard]] WEIGHTSCOPE_INLINE svg_box text_box(const svg_point& place, std::string_view words, const svg_text_style& style);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/svg.hpp>
#endif
