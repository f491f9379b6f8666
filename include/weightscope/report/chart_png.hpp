#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// A picture as the bytes of a PNG file, or why there is none.
struct png_result
{
    std::string bytes = {};
    std::string fault = {};  ///< empty where there is a picture
};

/// The picture that rsvg-convert makes of an SVG text.
///
/// @param svg      a whole SVG file
/// @param program  to run instead: it reads SVG from stdin and writes PNG to stdout
/// @return         see png_result; that the program is missing or fails is a fault that says what to do
[[nodiscard]] WEIGHTSCOPE_INLINE png_result to_png(std::string_view svg, const char* program = "rsvg-convert");

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_png.hpp>
#endif
