#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

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

namespace detail {

struct rgb
{
    double red = 0, green = 0, blue = 0;
};

// between neighbours of evenly spaced stops
template <std::size_t N>
std::string mixed(const std::array<rgb, N>& stops, double share)
{
    const double at = (share > 0 ? share < 1 ? share : 1 : 0) * static_cast<double>(N - 1);
    const auto i = static_cast<std::size_t>(at < static_cast<double>(N - 2) ? at : static_cast<double>(N - 2));
    const double t = at - static_cast<double>(i);
    const auto channel = [t](double from, double to) { return static_cast<int>(std::lround(from + t * (to - from))); };
    return fmt::format("#{:02x}{:02x}{:02x}", channel(stops[i].red, stops[i + 1].red), channel(stops[i].green, stops[i + 1].green),
                       channel(stops[i].blue, stops[i + 1].blue));
}

}  // namespace detail

/// From pale yellow (0) over teal to dark violet (1); its lightness falls all the way, so that it reads in grey too.
[[nodiscard]] inline std::string sequential(double share)
{
    constexpr std::array<detail::rgb, 6> stops = {{{253, 246, 189}, {178, 217, 140}, {84, 176, 132}, {32, 126, 138}, {49, 72, 128}, {45, 18, 84}}};
    return detail::mixed(stops, share);
}

/// From blue (0) over white (0.5) to vermilion (1).
[[nodiscard]] inline std::string diverging(double share)
{
    constexpr std::array<detail::rgb, 5> stops = {{{0, 78, 140}, {108, 170, 214}, {250, 250, 248}, {240, 160, 96}, {178, 66, 0}}};
    return detail::mixed(stops, share);
}

}  // namespace chart_colors

}  // namespace weightscope
