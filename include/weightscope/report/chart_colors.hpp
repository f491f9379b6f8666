#pragma once

#include <array>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// Colours that people with any kind of colour vision tell apart on a light ground.
/// @see Okabe & Ito 2008, "Color Universal Design"
namespace chart_colors {

inline constexpr std::string_view ink = "#222222", faint = "#666666", rule = "#d9d9d9", missing = "#e4e4e4";
inline constexpr std::string_view blue = "#0072b2", sky = "#56b4e9", green = "#009e73", yellow = "#f0e442", orange = "#e69f00", vermilion = "#d55e00",
                                  purple = "#cc79a7", black = "#000000";

/// For things that are told apart by their colour alone, in this order.
inline constexpr std::array<std::string_view, 7> series = {blue, orange, green, vermilion, purple, sky, black};

/// Critical, warning and info findings.
[[nodiscard]] constexpr std::string_view of(severity level)
{
    return level == severity::critical ? vermilion : level == severity::warning ? orange : sky;
}

/// From pale yellow (0) over teal to dark violet (1); its lightness falls all the way, so that it reads in grey too.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string sequential(double share);

/// From blue (0) over white (0.5) to vermilion (1).
[[nodiscard]] WEIGHTSCOPE_INLINE std::string diverging(double share);

}  // namespace chart_colors

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_colors.hpp>
#endif
