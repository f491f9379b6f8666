#pragma once
// Figures of all weights of a group, which a block of threads finds together and each of its threads gets.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/launch.cuh>

namespace weightscope::detail {

// What a block of threads exchanges; all of its threads call the functions.
struct block_exchange
{
    double memory[32];

    __device__ double sum(double own)
    {
        double result = 0;
        fold(team_sum<32>(own), [&](double of_warp) { result += of_warp; });
        return result;
    }
    __device__ double largest(double own)
    {
        double result = team_max<32>(own);
        fold(result, [&](double of_warp) { result = of_warp > result ? of_warp : result; });
        return result;
    }
    __device__ double smallest(double own) { return -largest(-own); }
    // of numbers below 2^53, or all ones where there is none
    __device__ std::size_t smallest(std::size_t own)
    {
        const double most = 0x1p53, found = smallest(own < std::size_t{1} << 53 ? static_cast<double>(own) : most);
        return found < most ? static_cast<std::size_t>(found) : ~std::size_t{0};
    }

private:
    template <class F>
    __device__ void fold(double of_warp, const F& add)
    {
        __syncthreads();  // who looked at the figure before is done
        if (threadIdx.x % 32 == 0)
            memory[threadIdx.x / 32] = of_warp;
        __syncthreads();
        for (unsigned warp = 0; warp < blockDim.x / 32; ++warp)
            add(memory[warp]);
    }
};

// Which weights of a group an order statistic is of, and whether of their magnitudes.
struct ordered_weights
{
    bool magnitudes, finite;  // finite: those only, else zeros stand for the others
};

// The number of rank (count - 1) · share among `count` weights, between order statistics linearly.
template <class Weights>
__device__ double order_statistic_of(const Weights& group, ordered_weights which, double count, double share, block_exchange& block)
{
    const auto for_each_key = [&](const auto& f) {
        group.visit([&](const auto& weight) {
            const auto x = static_cast<float>(weight.value);
            if (weight.finite || !which.finite)
                f(tensor_range::key_of(which.magnitudes ? fabsf(x) : x));
        });
    };
    const double rank = __dmul_rn(__dsub_rn(count, 1), share), below = floor(rank);
    unsigned key = 0;  // the largest that has no more than `below` keys below it
    for (unsigned bit = 1u << 31; bit != 0; bit >>= 1) {
        double smaller = 0;
        for_each_key([&](unsigned k) { smaller += k < (key | bit); });
        key |= block.sum(smaller) <= below ? bit : 0;
    }
    double up_to = 0, next = ~0u;
    for_each_key([&](unsigned k) {
        up_to += k <= key;
        next = k > key && k < next ? k : next;
    });
    up_to = block.sum(up_to);
    next = block.smallest(next);
    const auto low = static_cast<double>(tensor_range::number_of(key));
    if (below + 1 == count)
        return low;
    const double high = up_to > below + 1 ? low : static_cast<double>(tensor_range::number_of(static_cast<unsigned>(next)));
    return __dadd_rn(low, __dmul_rn(__dsub_rn(high, low), __dsub_rn(rank, below)));
}

}  // namespace weightscope::detail
