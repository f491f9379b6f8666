#pragma once
// How a device hands out the groups of a scheme.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>

#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Whether groups are of several rows.
inline bool groups_are_blocks(const scheme& options)
{
    return options.granularity == scale_granularity::per_block || (options.granularity == scale_granularity::per_channel && options.channel_axis > 0);
}

// All weights as one group.
template <class T>
group_grid whole_tensor(const device_view<T>& view)
{
    return {.rows = view.rows, .cols = view.cols, .size = view.cols, .height = view.rows, .per_row = 1, .count = 1};
}

// How many weights share a scale, as work is handed out.
template <class T>
group_grid group_grid_of(const device_view<T>& view, const scheme& options)
{
    constexpr std::size_t part_of_tensor = 8192;  // its weights come in such pieces
    std::size_t size = view.cols, height = 1;
    switch (options.granularity) {
    case scale_granularity::per_tensor: size = part_of_tensor; break;
    case scale_granularity::per_group: size = options.group_size; break;
    case scale_granularity::per_channel:
        if (options.channel_axis > 0) {
            size = view.kernel;
            height = view.rows;
        }
        break;
    case scale_granularity::per_block:
        size = options.block_cols;
        height = options.block_rows;
        break;
    }
    group_grid groups{.rows = view.rows, .cols = view.cols, .size = std::min(size, view.cols), .height = std::min(height, view.rows)};
    groups.per_row = (groups.cols + groups.size - 1) / groups.size;
    groups.count = groups.per_row * ((groups.rows + groups.height - 1) / groups.height);
    return groups;
}

}  // namespace weightscope::detail
