#pragma once
// Kernels of simulate.cuh: the errors of groups that lie in the registers of a few lanes, or that a block reads twice.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/group_grid.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

// Groups of up to Width · PerLane weights, one for each team of `Width` lanes, which keep them in registers. decoded: [rows, cols], or
// null; range: of the tensor, where the scheme asks for it; steps: of the groups where they are known, else null. Sums are kept once: in
// of_groups, one for each group, or where that is null in partials, one for each block.
template <class Codec, class T, int Width, int PerLane>
__global__ void __launch_bounds__(128) simulate_small_groups(strided_numbers<T> w, group_grid groups, Codec codec, const tensor_range* range,
                                                             const typename Codec::step* steps, float* decoded, device_error_sums* of_groups,
                                                             device_error_sums* partials)
{
    using real = typename Codec::real;
    constexpr unsigned teams_per_warp = 32 / Width;
    const unsigned lane = threadIdx.x % Width, team = threadIdx.x % 32 / Width;
    const std::size_t warps = std::size_t{gridDim.x} * (blockDim.x / 32), own = std::size_t{blockIdx.x} * (blockDim.x / 32) + threadIdx.x / 32;
    if (range)
        codec.know_tensor(tensor_range::number_of(range->high));
    device_error_sums sums = device_error_sums::none();
    for (std::size_t first = own * teams_per_warp; first < groups.count; first += warps * teams_per_warp) {  // the same for all lanes of a warp
        const std::size_t g = first + team, row = g / groups.per_row, col = (g - row * groups.per_row) * groups.size;
        const std::size_t left = groups.cols - col, size = g >= groups.count ? 0 : left < groups.size ? left : groups.size;
        const T* place = w.data + row * w.row_stride + col;
        fetched_weight<real> weights[PerLane];
        real low = bits_as<float>(0x7f800000u), high = -low;
        for (int i = 0; i < PerLane; ++i)
            if (lane + i * Width < size) {
                weights[i] = fetch<real>(place + lane + i * Width);
                const real x = weights[i].value, key = codec.by_magnitude() && x < 0 ? -x : x;
                low = key < low ? key : low;
                high = key > high ? key : high;
            }
        low = team_min<Width>(low);
        high = team_max<Width>(high);
        if (size > 0) {
            const auto step = steps ? steps[g] : codec.step_for(low, high);
            for (int i = 0; i < PerLane; ++i)
                if (lane + i * Width < size) {
                    const std::size_t at = row * groups.cols + col + lane + i * Width;
                    const decoded_weight value = codec.decode(weights[i].value, step, at);
                    sums.add(weights[i], value);
                    if (decoded)
                        decoded[at] = weights[i].finite ? static_cast<float>(value.value) : 0;
                }
        }
        if (of_groups) {
            sums = team_sums<Width>(sums);
            if (lane == 0 && size > 0)
                of_groups[g] = sums;
            sums = device_error_sums::none();
        }
    }
    __shared__ device_error_sums memory[32];
    sums = block_sums(sums, memory);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sums;
}

// Calls f(weight, place in the group) for the weights of a thread, of which several are on their way at a time.
template <class Real, class T, class F>
__device__ void visit_group(const T* place, std::size_t size, const F& f)
{
    constexpr unsigned in_flight = 4;
    for (std::size_t begin = threadIdx.x; begin < size; begin += std::size_t{in_flight} * blockDim.x) {
        fetched_weight<Real> weights[in_flight];
        for (unsigned k = 0; k < in_flight; ++k) {
            const std::size_t at = begin + std::size_t{k} * blockDim.x;
            weights[k] = fetch<Real>(place + (at < size ? at : begin));
        }
        for (unsigned k = 0; k < in_flight; ++k)
            if (begin + std::size_t{k} * blockDim.x < size)
                f(weights[k], begin + std::size_t{k} * blockDim.x);
    }
}

// Groups of any size, one for each block at a time. With `one_range` all groups have the range of the tensor.
template <class Codec, class T>
__global__ void __launch_bounds__(512, sizeof(typename Codec::real) == sizeof(float) ? 2 : 1)
    simulate_large_groups(strided_numbers<T> w, group_grid groups, Codec codec, const tensor_range* range, bool one_range,
                          const typename Codec::step* steps, float* decoded, device_error_sums* of_groups, device_error_sums* partials)
{
    using real = typename Codec::real;
    __shared__ device_error_sums memory[32];
    __shared__ real lows[32], highs[32];
    const unsigned warps = blockDim.x / 32;
    if (range)
        codec.know_tensor(tensor_range::number_of(range->high));
    device_error_sums sums = device_error_sums::none();
    for (std::size_t g = blockIdx.x; g < groups.count; g += gridDim.x) {
        const std::size_t row = g / groups.per_row, col = (g - row * groups.per_row) * groups.size;
        const std::size_t left = groups.cols - col, size = left < groups.size ? left : groups.size;
        const T* place = w.data + row * w.row_stride + col;
        real low = 0, high = 0;
        if (one_range && range) {
            low = tensor_range::number_of(range->low);
            high = tensor_range::number_of(range->high);
        } else if (!steps) {
            low = bits_as<float>(0x7f800000u);
            high = -low;
            visit_group<real>(place, size, [&](const fetched_weight<real>& weight, std::size_t) {
                const real x = weight.value, key = codec.by_magnitude() && x < 0 ? -x : x;
                low = key < low ? key : low;
                high = key > high ? key : high;
            });
            low = team_min<32>(low);
            high = team_max<32>(high);
            __syncthreads();  // who looked at those of the group before is done
            if (threadIdx.x % 32 == 0) {
                lows[threadIdx.x / 32] = low;
                highs[threadIdx.x / 32] = high;
            }
            __syncthreads();
            for (unsigned i = 0; i < warps; ++i) {
                low = lows[i] < low ? lows[i] : low;
                high = highs[i] > high ? highs[i] : high;
            }
        }
        const auto step = steps ? steps[one_range ? 0 : g] : codec.step_for(low, high);
        visit_group<real>(place, size, [&](const fetched_weight<real>& weight, std::size_t at) {
            const decoded_weight value = codec.decode(weight.value, step, row * groups.cols + col + at);
            sums.add(weight, value);
            if (decoded)
                decoded[row * groups.cols + col + at] = weight.finite ? static_cast<float>(value.value) : 0;
        });
        if (of_groups) {
            sums = block_sums(sums, memory);
            if (threadIdx.x == 0)
                of_groups[g] = sums;
            sums = device_error_sums::none();
        }
    }
    sums = block_sums(sums, memory);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sums;
}

}  // namespace weightscope::detail
