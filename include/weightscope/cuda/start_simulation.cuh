#pragma once
// Gives a stream the kernels of one simulation.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include <weightscope/cuda/block_kernels.cuh>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/grid_codec.cuh>
#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/range_plan.cuh>
#include <weightscope/cuda/range_search.cuh>
#include <weightscope/cuda/scheme_groups.cuh>
#include <weightscope/cuda/simulate_kernels.cuh>
#include <weightscope/cuda/simulation_output.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// What is on the device of one simulation.
struct device_simulation
{
    group_grid groups = {};
    device_error_sums* of_groups = nullptr;
    device_error_sums* of_rows = nullptr;  // where groups are of several rows
    device_error_sums* total = nullptr;
};

// What a search for ranges rounds with: to the nearest.
template <class Codec>
const Codec& codec_of_search(const Codec& codec, const scheme&)
{
    return codec;
}
template <class Real>
plain_codec<Real, rounding_mode::half_even> codec_of_search(const plain_codec<Real, rounding_mode::stochastic>&, const scheme& options)
{
    return plain_codec<Real, rounding_mode::half_even>(options);
}

// Steps that a search finds for the groups, or for the one group of the tensor.
template <class Codec, class T>
void start_search(const strided_numbers<T>& numbers, const scheme& options, Codec codec, typename Codec::step* steps, const group_grid& groups,
                  cuda_workspace& workspace, cudaStream_t stream)
{
    const unsigned threads = workspace.threads(groups.size * groups.height > 1024 ? 256 : 128);
    const range_plan plan(options);
    auto* const given = workspace.take<range_plan>(1);
    copy_to_device(std::span<const range_plan>(&plan, 1), given, stream);
    launch(search_ranges<Codec, T>, "search_ranges",
           {.grid = blocks_for(groups.count, workspace.multiprocessors() * (2048 / threads)), .threads = threads, .stream = stream}, numbers, groups,
           codec, static_cast<const range_plan*>(given), steps);
}

template <class Codec, class T>
void start_simulation(const device_view<T>& view, const scheme& options, Codec codec, const tensor_range* range, const simulation_output& output,
                      device_simulation& simulation, cuda_workspace& workspace)
{
    using step = typename Codec::step;
    const strided_numbers<T> numbers{view.data, view.rows, view.cols, view.row_stride};
    const group_grid& groups = simulation.groups;
    const bool one_range = options.granularity == scale_granularity::per_tensor, in_blocks = groups_are_blocks(options);
    const bool in_registers = !one_range && !in_blocks && groups.size <= 128;
    const bool searches = options.search != range_search::whole || (codec.follows_first() && !in_registers);
    step* const steps = searches || simulation.of_rows ? workspace.take<step>(one_range ? 1 : groups.count) : nullptr;
    if (searches)
        start_search(numbers, options, codec_of_search(codec, options), steps, one_range ? whole_tensor(view) : groups, workspace, view.stream);
    const auto run = [&](auto kernel, const char* name, std::size_t pieces, unsigned threads, auto... more) {
        const unsigned blocks = blocks_for(pieces, workspace.multiprocessors() * (2048 / threads));
        auto* const partials = workspace.take<device_error_sums>(blocks);
        launch(kernel, name, {.grid = blocks, .threads = threads, .stream = view.stream}, numbers, groups, codec, range, more..., steps, output,
               simulation.of_groups, partials);
        launch(fold_errors<device_error_sums>, "fold_errors", {.grid = 1, .threads = 128, .stream = view.stream},
               simulation.of_groups ? simulation.of_groups : partials, simulation.of_groups ? groups.count : std::size_t{blocks}, simulation.total);
    };
    constexpr unsigned threads = 128;
    if (in_blocks) {
        const std::size_t slab = groups.height * std::max<std::size_t>(groups.size, 32);
        run(simulate_blocks<Codec, T>, "simulate_blocks", group_slabs(groups).count, workspace.threads(slab > 4096 ? 512 : threads), searches);
    } else if (!in_registers) {
        run(simulate_large_groups<Codec, T>, "simulate_large_groups", groups.count, workspace.threads(groups.size > 2048 ? 512 : threads), one_range);
    } else if (groups.size <= 32) {
        run(simulate_small_groups<Codec, T, 8, 4>, "simulate_small_groups", (groups.count + threads / 8 - 1) / (threads / 8), threads);
    } else {
        run(simulate_small_groups<Codec, T, 32, 4>, "simulate_small_groups", (groups.count + threads / 32 - 1) / (threads / 32), threads);
    }
    if (simulation.of_rows)
        launch(simulate_rows<Codec, T>, "simulate_rows",
               {.grid = blocks_for(groups.rows, workspace.multiprocessors() * (2048 / threads)), .threads = threads, .stream = view.stream}, numbers,
               groups, codec, static_cast<const step*>(steps), simulation.of_rows);
}

template <class T>
void start_simulation(const device_view<T>& view, const scheme& options, const tensor_range* range, const simulation_output& output, device_simulation& simulation,
                      cuda_workspace& workspace)
{
    if (options.plain()) {
        const auto start = [&]<rounding_mode Rounding>(std::integral_constant<rounding_mode, Rounding>) {
            if (options.scale == scale_type::f64)
                start_simulation(view, options, plain_codec<double, Rounding>(options), range, output, simulation, workspace);
            else
                start_simulation(view, options, plain_codec<float, Rounding>(options), range, output, simulation, workspace);
        };
        switch (options.rounding) {
        case rounding_mode::stochastic: return start(std::integral_constant<rounding_mode, rounding_mode::stochastic>());
        case rounding_mode::half_away: return start(std::integral_constant<rounding_mode, rounding_mode::half_away>());
        default: return start(std::integral_constant<rounding_mode, rounding_mode::half_even>());
        }
    }
    switch (kind_of_grid(options.grid)) {
    case grid_kind::integer: return start_simulation(view, options, grid_codec<grid_kind::integer>(options), range, output, simulation, workspace);
    case grid_kind::floating: return start_simulation(view, options, grid_codec<grid_kind::floating>(options), range, output, simulation, workspace);
    case grid_kind::table: return start_simulation(view, options, grid_codec<grid_kind::table>(options), range, output, simulation, workspace);
    }
}

}  // namespace weightscope::detail
