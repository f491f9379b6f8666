#pragma once
// The steps of groups that follow from more than their extremes, or that searches find, which blocks of threads work on.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/block_folds.cuh>
#include <weightscope/cuda/grid_codec.cuh>
#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/plain_search.cuh>
#include <weightscope/cuda/range_plan.cuh>
#include <weightscope/cuda/simulate_kernels.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

template <class Real, rounding_mode Rounding, class Weights>
__device__ plain_step<Real> searched_step(const plain_codec<Real, Rounding>& codec, const Weights& group, Real low, Real high, const range_plan& plan,
                                          block_exchange& block)
{
    if (low == high)
        return codec.step_for(low, high);
    if (plan.search != range_search::percentile)
        return plain_search<plain_codec<Real, Rounding>, Weights>(codec, group, static_cast<double>(low), static_cast<double>(high), plan, block).best();
    const auto count = static_cast<double>(group.count());
    if (codec.symmetric) {
        const double magnitude = order_statistic_of(group, {true, false}, count, plan.share, block);
        return magnitude > 0 ? codec.step_of_range(0, magnitude) : codec.step_for(low, high);
    }
    const double outside = __ddiv_rn(__dsub_rn(1, plan.share), 2);
    const double first = order_statistic_of(group, {false, false}, count, outside, block);
    const double last = order_statistic_of(group, {false, false}, count, __dsub_rn(1, outside), block);
    return first < 0 || last > 0 ? codec.step_of_range(first, last) : codec.step_for(low, high);
}

template <grid_kind Kind, class Weights>
__device__ typename grid_codec<Kind>::step searched_step(const grid_codec<Kind>& codec, const Weights& group, float low, float high, const range_plan& plan,
                                                         block_exchange& block)
{
    if (plan.search == range_search::percentile) {
        double count = 0;
        group.visit([&](const auto& weight) { count += weight.finite || !plan.one_group; });
        count = block.sum(count);
        if (count == 0)
            return codec.step_for(low, high);
        if (codec.symmetric) {
            const auto inner = static_cast<float>(order_statistic_of(group, {true, plan.one_group}, count, plan.share, block));
            return inner > 0 ? codec.step_for(codec.by_magnitude() ? low : larger(low, -inner), smaller(high, inner)) : codec.step_for(low, high);
        }
        const double outside = __ddiv_rn(__dsub_rn(1, plan.share), 2);
        const auto first = static_cast<float>(order_statistic_of(group, {false, plan.one_group}, count, outside, block));
        const auto last = static_cast<float>(order_statistic_of(group, {false, plan.one_group}, count, __dsub_rn(1, outside), block));
        return first < last ? codec.step_for(first, last) : codec.step_for(low, high);
    }
    double least = static_cast<double>(bits_as<float>(0x7f800000u));
    auto best = codec.step_for(low, high);
    for (const float factor : plan.factors) {
        const auto step = codec.step_for(__fmul_rn(low, factor), __fmul_rn(high, factor));
        const double sum = objective_of_group(codec, group, step, plan, block);
        if (sum < least) {
            least = sum;
            best = step;
        }
    }
    return best;
}

// The steps of groups, one for each block at a time.
template <class Codec, class T>
__global__ void __launch_bounds__(256) search_ranges(strided_numbers<T> w, group_grid groups, Codec codec, const range_plan* plan,
                                                     typename Codec::step* steps)
{
    using real = typename Codec::real;
    __shared__ block_exchange block;
    for (std::size_t g = blockIdx.x; g < groups.count; g += gridDim.x) {
        const group_weights<real, T> group(w, groups, g);
        real low = bits_as<float>(0x7f800000u), high = -low;
        group.visit([&](const fetched_weight<real>& weight) { codec.widen(weight.value, low, high); });
        low = static_cast<real>(block.smallest(static_cast<double>(low)));
        high = static_cast<real>(block.largest(static_cast<double>(high)));
        if (codec.follows_first()) {
            std::size_t first_of_largest = ~std::size_t{0};
            for (std::size_t i = threadIdx.x; i < group.count(); i += blockDim.x)
                first_of_largest = smaller(first_of_largest, place_and_sign(group[i].value, high, i));
            low = follow_first(low, high, block.smallest(first_of_largest));
        }
        const auto step = plan->search == range_search::whole ? codec.step_for(low, high) : searched_step(codec, group, low, high, *plan, block);
        if (threadIdx.x == 0)
            steps[g] = step;
    }
}

}  // namespace weightscope::detail
