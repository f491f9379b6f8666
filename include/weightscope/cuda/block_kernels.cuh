#pragma once
// Kernels of simulate.cuh for groups of more than one row: blocks, and channels of an inner axis, which are blocks of all rows.

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

// What a block of threads works on at a time: as many groups side by side as have 32 columns, or one.
struct group_slabs
{
    std::size_t abreast = 1, per_row = 1, count = 0;
    unsigned lanes = 32;  // of a group

    __host__ __device__ explicit group_slabs(const group_grid& groups)
        : abreast(groups.size < 32 ? 32 / groups.size : 1), per_row((groups.per_row + abreast - 1) / abreast), count(groups.count / groups.per_row * per_row),
          lanes(groups.size < 32 ? static_cast<unsigned>(groups.size) : 32u)
    {
    }
};

// Calls f(weight, row, column) for the weights of `rows` x `cols` that are a thread's: warps share the rows, lanes the columns, and several
// weights are on their way at a time.
template <class Real, class T, class F>
__device__ void visit_slab(const T* place, std::size_t stride, std::size_t rows, std::size_t cols, const F& f)
{
    constexpr unsigned in_flight = 4;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (std::size_t top = warp; top < rows; top += std::size_t{in_flight} * warps)
        for (std::size_t col = lane; col < cols; col += 32) {
            fetched_weight<Real> weights[in_flight];
            for (unsigned k = 0; k < in_flight; ++k) {
                const std::size_t row = top + std::size_t{k} * warps;
                weights[k] = fetch<Real>(place + (row < rows ? row : top) * stride + col);
            }
            for (unsigned k = 0; k < in_flight; ++k)
                if (top + std::size_t{k} * warps < rows)
                    f(weights[k], top + std::size_t{k} * warps, col);
        }
}

// Sums of the groups of a slab from those of the threads; `memory` holds 32.
__device__ inline void store_slab_sums(const device_error_sums& own, unsigned lanes, std::size_t groups, device_error_sums* memory, device_error_sums* of_groups)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (unsigned turn = 0; turn < warps; ++turn) {
        __syncthreads();
        if (warp == turn) {
            device_error_sums sums = turn == 0 ? device_error_sums::none() : memory[lane];
            sums.add(own);
            memory[lane] = sums;
        }
    }
    __syncthreads();
    if (threadIdx.x < groups) {
        device_error_sums sums = device_error_sums::none();
        for (unsigned l = 0; l < lanes; ++l)
            sums.add(memory[threadIdx.x * lanes + l]);
        of_groups[threadIdx.x] = sums;
    }
    __syncthreads();
}

// range: of the tensor, where the scheme asks for it. Steps are found for each group, and kept in `steps`
// unless that is null, or with `known` read from there. Sums are kept once: in of_groups, or where that is null in partials, one for each block.
template <class Codec, class T>
__global__ void __launch_bounds__(512) simulate_blocks(strided_numbers<T> w, group_grid groups, Codec codec, const tensor_range* range, bool known,
                                                       typename Codec::step* steps, simulation_output output, device_error_sums* of_groups,
                                                       device_error_sums* partials)
{
    using real = typename Codec::real;
    __shared__ device_error_sums memory[32];
    __shared__ real lows[512], highs[512];
    const unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
    if (range)
        codec.know_tensor(tensor_range::number_of(range->high));
    const group_slabs slabs(groups);
    const unsigned own = lane / slabs.lanes, first_lane = own * slabs.lanes, end_lane = slabs.lanes == 32 ? first_lane + 1 : first_lane + slabs.lanes;
    error_tally<real> tally;
    for (std::size_t slab = blockIdx.x; slab < slabs.count; slab += gridDim.x) {
        const std::size_t band = slab / slabs.per_row, first = (slab - band * slabs.per_row) * slabs.abreast;
        const std::size_t top = band * groups.height, left = first * groups.size, g = band * groups.per_row + first + own;
        const std::size_t below = groups.rows - top, right = groups.cols - left, wide = slabs.abreast * groups.size;
        const std::size_t rows = below < groups.height ? below : groups.height, cols = right < wide ? right : wide;
        const std::size_t abreast = groups.per_row - first < slabs.abreast ? groups.per_row - first : slabs.abreast;
        const T* place = w.data + top * w.row_stride + left;
        typename Codec::step step{};
        if (own < abreast && known)
            step = steps[g];
        if (!known) {
            real low = bits_as<float>(0x7f800000u), high = -low;
            visit_slab<real>(place, w.row_stride, rows, cols, [&](const fetched_weight<real>& weight, std::size_t, std::size_t) {
                codec.widen(weight.value, low, high);
            });
            if (slabs.lanes == 32) {
                low = team_min<32>(low);
                high = team_max<32>(high);
            }
            __syncthreads();  // who looked at those of the slab before is done
            lows[threadIdx.x] = low;
            highs[threadIdx.x] = high;
            __syncthreads();
            if (own < abreast) {
                for (unsigned warp = 0; warp < warps; ++warp)
                    for (unsigned l = first_lane; l < end_lane; ++l) {
                        low = smaller(low, lows[32 * warp + l]);
                        high = larger(high, highs[32 * warp + l]);
                    }
                step = codec.step_for(low, high);
                if (steps && threadIdx.x == first_lane)
                    steps[g] = step;
            }
        }
        visit_slab<real>(place, w.row_stride, rows, cols, [&](const fetched_weight<real>& weight, std::size_t row, std::size_t col) {
            tally.count(1);  // here the sums of threads are not all of one group
            const std::size_t at = (top + row) * groups.cols + left + col;
            const decoded_weight<real> value = codec.decode(weight.value, step, at);
            tally.add(weight, value);
            output.write(at, codec, step, weight, value);
        });
        if (of_groups)
            store_slab_sums(tally.take(), slabs.lanes, abreast, memory, of_groups + band * groups.per_row + first);
    }
    const device_error_sums sums = block_sums(tally.take(), memory);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sums;
}

// Sums of each row of the matrix, whose groups have the given steps.
template <class Codec, class T>
__global__ void __launch_bounds__(128) simulate_rows(strided_numbers<T> w, group_grid groups, Codec codec, const typename Codec::step* steps,
                                                     device_error_sums* of_rows)
{
    using real = typename Codec::real;
    __shared__ device_error_sums memory[32];
    for (std::size_t row = blockIdx.x; row < groups.rows; row += gridDim.x) {
        const typename Codec::step* of_row = steps + row / groups.height * groups.per_row;
        error_tally<real> tally;
        for (std::size_t col = threadIdx.x; col < groups.cols; col += blockDim.x) {
            const fetched_weight<real> weight = fetch<real>(w.data + row * w.row_stride + col);
            tally.add(weight, codec.decode(weight.value, of_row[col / groups.size], row * groups.cols + col));
        }
        if (threadIdx.x == 0)
            tally.count(groups.cols);
        const device_error_sums sums = block_sums(tally.take(), memory);
        if (threadIdx.x == 0)
            of_rows[row] = sums;
    }
}

}  // namespace weightscope::detail
