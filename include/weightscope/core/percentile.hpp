#pragma once

#include <cstddef>

namespace weightscope::detail {

// Linear between order statistics, as NumPy does it: from the nearer end, so that t = 1 gives b exactly.
[[nodiscard]] inline double interpolate(double a, double b, double t)
{
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

struct percentile_rank
{
    std::size_t below = 0;  // 0-based order statistics on either side
    std::size_t above = 0;
    double fraction = 0;
};

[[nodiscard]] inline percentile_rank rank_of(double p, std::size_t count)
{
    const double position = static_cast<double>(count - 1) * p;
    const auto below = static_cast<std::size_t>(position);
    return {below, below + 1 < count ? below + 1 : below, position - static_cast<double>(below)};
}

}  // namespace weightscope::detail
