#pragma once

#include <weightscope/cuda/error.cuh>

#include <span>

#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Extremes of the tensor for those schemes that need them.
template <class T>
class device_ranges
{
public:
    device_ranges(const device_view<T>& view, cuda_workspace& workspace) : view_(view), workspace_(workspace) {}

    const tensor_range* needed_for(const scheme& options)
    {
        const bool one_range = options.granularity == scale_granularity::per_tensor && options.search == range_search::whole;
        if (!one_range && options.rules.global == global_scale::none)
            return nullptr;
        const bool magnitudes = options.plain() ? options.symmetric : scale_needs_magnitude_only(options);
        tensor_range*& range = known_[magnitudes ? 1 : 0];
        if (range == nullptr) {
            range = workspace_.take<tensor_range>(1);
            const tensor_range empty{~0u, 0};
            copy_to_device(std::span<const tensor_range>(&empty, 1), range, view_.stream);
            constexpr unsigned threads = 128;
            const auto numbers = numbers_of<T>(view_);
            launch(range_of_tensor<T>, "range_of_tensor",
                   {.grid = blocks_for(tile_count(numbers, threads), workspace_.multiprocessors() * (2048 / threads)), .threads = threads,
                    .stream = view_.stream},
                   numbers, magnitudes, range);
        }
        return range;
    }

private:
    const device_view<T>& view_;
    cuda_workspace& workspace_;
    tensor_range* known_[2] = {};
};

}  // namespace weightscope::detail
