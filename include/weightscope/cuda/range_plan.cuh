#pragma once
// What a search for the range of groups is told by the host, and how it judges a code.

#include <weightscope/cuda/error.cuh>

#include <cmath>
#include <cstddef>
#include <math.h>

#include <weightscope/cuda/block_folds.cuh>
#include <weightscope/quantizers/grid_search.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// A scheme's search, and the numbers that the host has for it.
struct range_plan
{
    static constexpr int scale_count = 100, place_count = 9, rounds = 3;  // as the host's

    range_search search;
    double share, norm;
    bool one_group;
    double scale_powers[scale_count], around[rounds][4];
    float factors[grid_range_count];

    explicit range_plan(const scheme& options)
        : search(options.search), share(options.percentile / 100), norm(options.norm), one_group(options.granularity == scale_granularity::per_tensor)
    {
        constexpr double largest = 1.25, smallest = 0.2;
        for (int i = 0; i < scale_count; ++i)
            scale_powers[i] = std::pow(smallest / largest, i / (scale_count - 1.0));
        double step = std::pow(largest / smallest, 1 / (scale_count - 1.0));
        for (auto& round : around) {
            step = std::cbrt(step);
            const double around_center[] = {1 / (step * step), 1 / step, step, step * step};
            for (int i = 0; i < 4; ++i)
                round[i] = around_center[i];
        }
        for (std::size_t trial = 0; trial < grid_range_count; ++trial)
            factors[trial] = grid_range_factor(trial);
    }

    __device__ double objective(double error) const { return search == range_search::mse ? __dmul_rn(error, error) : pow(fabs(error), norm); }
};

// Σ of the objective over the errors of a group.
template <class Codec, class Weights>
__device__ double objective_of_group(const Codec& codec, const Weights& group, const typename Codec::step& step, const range_plan& plan, block_exchange& block)
{
    double sum = 0;
    group.visit([&](const auto& weight) {
        if (weight.finite)
            sum += plan.objective(static_cast<double>(weight.value) - static_cast<double>(codec.decode_nearest(weight.value, step).value));
    });
    return block.sum(sum);
}

}  // namespace weightscope::detail
