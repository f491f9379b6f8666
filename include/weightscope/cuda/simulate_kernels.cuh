#pragma once
// Kernels of simulate.cuh: the errors of groups that lie in the registers of a few lanes, or that a block reads twice.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/simulation_output.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

// Orders weights as large as `high` by their place, and holds their sign.
template <class Real, class Place>
__device__ Place place_and_sign(Real weight, Real high, Place place)
{
    return magnitude_of(weight) == high ? 2 * place + (weight > 0) : ~Place{0};
}

// Where both ends of a range are equally far from 0 the first of the two decides the sign of the scale: the lower end counts as 0 where it is
// not the first.
template <class Real, class Place>
__device__ Real follow_first(Real low, Real high, Place first_of_largest)
{
    return -low == high && high != 0 && first_of_largest % 2 != 0 ? 0 : low;
}

// Groups of up to Width · PerLane weights, one for each team of `Width` lanes, which keep them in registers. range: of the tensor, where the
// scheme asks for it; steps: of the groups where they are known, else null. Sums are kept once: in of_groups, one for each group, or where
// that is null in partials, one for each block.
template <class Codec, class T, int Width, int PerLane>
__global__ void __launch_bounds__(128) simulate_small_groups(strided_numbers<T> w, group_grid groups, Codec codec, const tensor_range* range,
                                                             const typename Codec::step* steps, simulation_output output, device_error_sums* of_groups,
                                                             device_error_sums* partials)
{
    using real = typename Codec::real;
    constexpr unsigned teams_per_warp = 32 / Width;
    const unsigned lane = threadIdx.x % Width, team = threadIdx.x % 32 / Width;
    const std::size_t warps = std::size_t{gridDim.x} * (blockDim.x / 32), own = std::size_t{blockIdx.x} * (blockDim.x / 32) + threadIdx.x / 32;
    if (range)
        codec.know_tensor(tensor_range::number_of(range->high));
    error_tally<real> tally;
    group_walk walk(groups, own * teams_per_warp + team, warps * teams_per_warp);
    for (std::size_t first = own * teams_per_warp; first < groups.count; first += warps * teams_per_warp, walk.advance()) {  // the same for a warp
        const std::size_t col = walk.of_row * groups.size, left = groups.cols - col;
        const auto size = static_cast<unsigned>(walk.g >= groups.count ? 0 : left < groups.size ? left : groups.size);
        const T* place = w.data + walk.row * w.row_stride + col + lane;
        fetched_weight<real> weights[PerLane];
        real low = bits_as<float>(0x7f800000u), high = -low;
        unrolled<PerLane>([&](unsigned i) {
            if (lane + i * Width < size)
                weights[i] = fetch<real>(place + i * Width);
        });
        unrolled<PerLane>([&](unsigned i) {
            if (lane + i * Width < size)
                codec.widen(weights[i].value, low, high);
        });
        low = team_min<Width>(low);
        high = team_max<Width>(high);
        if (codec.follows_first()) {
            unsigned first_of_largest = ~0u;
            unrolled<PerLane>([&](unsigned i) {
                if (lane + i * Width < size)
                    first_of_largest = smaller(first_of_largest, place_and_sign(weights[i].value, high, lane + i * Width));
            });
            low = follow_first(low, high, team_min<Width>(first_of_largest));
        }
        if (lane == 0)
            tally.count(size);
        if (size > 0) {
            const auto step = steps ? steps[walk.g] : codec.step_for(low, high);
            const std::size_t at = walk.row * groups.cols + col + lane;
            unrolled<PerLane>([&](unsigned i) {
                if (lane + i * Width < size) {
                    const decoded_weight<real> value = codec.decode(weights[i].value, step, at + i * Width);
                    tally.add(weights[i], value);
                    output.write(at + i * Width, codec, step, weights[i], value);
                }
            });
        }
        if (of_groups) {
            const device_error_sums sums = team_sums<Width>(tally.take());
            if (lane == 0 && size > 0)
                of_groups[walk.g] = sums;
        }
    }
    __shared__ device_error_sums memory[32];
    const device_error_sums sums = block_sums(tally.take(), memory);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sums;
}

// Calls f(weight, place in the group) for the weights of a thread, of which several are on their way at a time.
template <class Real, class T, class F>
__device__ void visit_group(const T* place, std::size_t size, const F& f)
{
    constexpr unsigned in_flight = 4;
    const std::size_t stride = blockDim.x;
    std::size_t at = threadIdx.x;
    for (; at + (in_flight - 1) * stride < size; at += in_flight * stride) {
        fetched_weight<Real> weights[in_flight];
        unrolled<in_flight>([&](unsigned k) { weights[k] = fetch<Real>(place + at + k * stride); });
        unrolled<in_flight>([&](unsigned k) { f(weights[k], at + k * stride); });
    }
    for (; at < size; at += stride)
        f(fetch<Real>(place + at), at);
}

// Groups of any size, one for each block at a time. With `one_range` all groups have the range of the tensor.
template <class Codec, class T>
__global__ void __launch_bounds__(512, sizeof(typename Codec::real) == sizeof(float) ? 2 : 1)
    simulate_large_groups(strided_numbers<T> w, group_grid groups, Codec codec, const tensor_range* range, bool one_range,
                          const typename Codec::step* steps, simulation_output output, device_error_sums* of_groups, device_error_sums* partials)
{
    using real = typename Codec::real;
    __shared__ device_error_sums memory[32];
    __shared__ real lows[32], highs[32];
    const unsigned warps = blockDim.x / 32;
    if (range)
        codec.know_tensor(tensor_range::number_of(range->high));
    error_tally<real> tally;
    for (group_walk walk(groups, blockIdx.x, gridDim.x); walk.g < groups.count; walk.advance()) {
        const std::size_t col = walk.of_row * groups.size, left = groups.cols - col, size = left < groups.size ? left : groups.size;
        const T* place = w.data + walk.row * w.row_stride + col;
        real low = 0, high = 0;
        if (one_range && range) {
            low = tensor_range::number_of(range->low);
            high = tensor_range::number_of(range->high);
        } else if (!steps) {
            low = bits_as<float>(0x7f800000u);
            high = -low;
            visit_group<real>(place, size, [&](const fetched_weight<real>& weight, std::size_t) { codec.widen(weight.value, low, high); });
            low = team_min<32>(low);
            high = team_max<32>(high);
            __syncthreads();  // who looked at those of the group before is done
            if (threadIdx.x % 32 == 0) {
                lows[threadIdx.x / 32] = low;
                highs[threadIdx.x / 32] = high;
            }
            __syncthreads();
            for (unsigned i = 0; i < warps; ++i) {
                low = smaller(low, lows[i]);
                high = larger(high, highs[i]);
            }
        }
        const auto step = steps ? steps[one_range ? 0 : walk.g] : codec.step_for(low, high);
        const std::size_t first = walk.row * groups.cols + col;
        if (threadIdx.x == 0)
            tally.count(size);
        visit_group<real>(place, size, [&](const fetched_weight<real>& weight, std::size_t at) {
            const decoded_weight<real> value = codec.decode(weight.value, step, first + at);
            tally.add(weight, value);
            output.write(first + at, codec, step, weight, value);
        });
        if (of_groups) {
            const device_error_sums sums = block_sums(tally.take(), memory);
            if (threadIdx.x == 0)
                of_groups[walk.g] = sums;
        }
    }
    const device_error_sums sums = block_sums(tally.take(), memory);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sums;
}

}  // namespace weightscope::detail
