#pragma once
// Which schemes a device simulates, and how it hands out their groups.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>

#include <weightscope/core/error.hpp>
#include <weightscope/cuda/simulate_kernels.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Whether the device knows how to do it; says what it does know.
inline void require_device_scheme(const scheme& options, const char* caller)
{
    const bool rows = options.granularity != scale_granularity::per_block
                   && (options.granularity != scale_granularity::per_channel || options.channel_axis == 0);
    require(rows, "{}: the scheme's groups are blocks or channels of an inner axis, expected one scale per tensor, per channel of axis 0, or per "
            "group; the host's function takes the others", caller);
    require(options.search == range_search::whole, "{}: scheme.search is set, expected whole ranges; the host's function searches", caller);
    require(options.rounding != rounding_mode::stochastic,
            "{}: scheme.rounding is stochastic, expected another; the host's function draws random numbers", caller);
    const bool by_magnitude = options.plain()
                           || (scale_needs_magnitude_only(options) && options.rules.base != scale_base::power_log2 && !options.rules.zero_first);
    require(by_magnitude, "{}: the scheme's rules make scales from more than max|w|, expected other rules; the host's function knows them", caller);
}

// How many weights share a scale, as work is handed out.
template <class T>
group_grid group_grid_of(const device_view<T>& view, const scheme& options)
{
    constexpr std::size_t part_of_tensor = 8192;  // its weights come in such pieces
    const std::size_t wanted = options.granularity == scale_granularity::per_group    ? options.group_size
                               : options.granularity == scale_granularity::per_tensor ? part_of_tensor
                                                                                      : view.cols;
    group_grid groups{.cols = view.cols, .size = std::min(wanted, view.cols)};
    groups.per_row = (groups.cols + groups.size - 1) / groups.size;
    groups.count = groups.per_row * view.rows;
    return groups;
}

}  // namespace weightscope::detail
