#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_colors.hpp>

namespace weightscope::chart_colors {

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

WEIGHTSCOPE_INLINE std::string sequential(double share)
{
    constexpr std::array<detail::rgb, 6> stops = {{{253, 246, 189}, {178, 217, 140}, {84, 176, 132}, {32, 126, 138}, {49, 72, 128}, {45, 18, 84}}};
    return detail::mixed(stops, share);
}

WEIGHTSCOPE_INLINE std::string diverging(double share)
{
    constexpr std::array<detail::rgb, 5> stops = {{{0, 78, 140}, {108, 170, 214}, {250, 250, 248}, {240, 160, 96}, {178, 66, 0}}};
    return detail::mixed(stops, share);
}

}  // namespace weightscope::chart_colors
