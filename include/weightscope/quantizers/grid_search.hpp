#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/quantizers/scale_search.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Ranges to try: multiples of the whole one, which comes first, so that others have to be better.
inline constexpr std::size_t grid_range_count = 101;

inline float grid_range_factor(std::size_t trial)
{
    constexpr double largest = 1.25, smallest = 0.2;
    return trial == 0 ? 1 : static_cast<float>(largest * std::pow(smallest / largest, static_cast<double>(trial - 1) / (grid_range_count - 2)));
}

inline double grid_objective(double error, const scheme& options)
{
    return options.search == range_search::mse ? error * error : std::pow(std::fabs(error), options.norm);
}

// The inner part of the extremes of some weights.
template <class Real>
void take_inner_range(const Real* x, std::size_t count, const scheme& options, float& low, float& high)
{
    std::vector<double> values(x, x + count);
    const double share = options.percentile / 100;
    if (!options.symmetric) {
        const auto first = static_cast<float>(order_statistic(values, (1 - share) / 2)), last = static_cast<float>(order_statistic(values, 1 - (1 - share) / 2));
        if (first < last) {
            low = first;
            high = last;
        }
        return;
    }
    for (double& value : values)
        value = std::fabs(value);
    if (const auto magnitude = static_cast<float>(order_statistic(values, share)); magnitude > 0) {
        low = std::max(low, -magnitude);
        high = std::min(high, magnitude);
    }
}

// What the scheme's search makes of the extremes of the groups of a strip: `grid` has brought it, and rounds it with the scales of any
// extremes.
template <class Grid>
void search_grid_ranges(Grid& grid, const scheme& options, std::vector<float>& low, std::vector<float>& high)
{
    const std::size_t groups = high.size();
    if (options.search == range_search::percentile) {
        for (std::size_t g = 0, begin = 0; g < groups; ++g, begin += grid.group_size)
            take_inner_range(grid.x + begin, std::min(grid.group_size, grid.count - begin), options, low[g], high[g]);
        return;
    }
    const std::vector<float> whole_low = low, whole_high = high;
    std::vector<float> trial_low(groups), trial_high(groups);
    std::vector<double> least(groups, std::numeric_limits<double>::infinity());
    for (std::size_t trial = 0; trial < grid_range_count; ++trial) {
        const float factor = grid_range_factor(trial);
        for (std::size_t g = 0; g < groups; ++g) {
            trial_low[g] = whole_low[g] * factor;
            trial_high[g] = whole_high[g] * factor;
        }
        grid.find_scales(trial_low, trial_high);
        const std::vector<double> sums = grid.sums_of_groups([&](double error) { return grid_objective(error, options); });
        for (std::size_t g = 0; g < groups; ++g)
            if (sums[g] < least[g]) {
                least[g] = sums[g];
                low[g] = trial_low[g];
                high[g] = trial_high[g];
            }
    }
}

}  // namespace weightscope::detail
