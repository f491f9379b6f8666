#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/exact_division.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

namespace detail {

struct row_partial
{
    double sum_squares, channel_squared_error, group_squared_error;
    device_count dead_rows, two_of_four, four_of_eight;
};

template <class T>
__device__ double weight_or_zero(const T* place)
{
    const auto x = static_cast<float>(*place);
    return finite_bits(x) ? static_cast<double>(x) : 0;
}

// Runs of 4 and of 8 neighbours of a row of which at most half are not zero, of those that a thread looks at.
template <class T>
__device__ void count_satisfied_runs(const T* row, std::size_t cols, device_count& of_4, device_count& of_8)
{
    const auto nonzero_of_4 = [&](std::size_t first) {
        unsigned nonzero = 0;
        for (unsigned i = 0; i < 4; ++i)
            nonzero += weight_or_zero(row + first + i) != 0;
        return nonzero;
    };
    for (std::size_t first = std::size_t{threadIdx.x} * 8; first + 4 <= cols; first += std::size_t{blockDim.x} * 8) {
        const unsigned left = nonzero_of_4(first);
        of_4 += left <= 2;
        if (first + 8 > cols)
            continue;
        const unsigned right = nonzero_of_4(first + 4);
        of_4 += right <= 2;
        of_8 += left + right <= 4;
    }
}

// A row for each block at a time, a group for each of its warps. alive: [cols], 1 where a column has a weight that is not dead.
template <class T>
__global__ void __launch_bounds__(256) survey_row_errors(strided_numbers<T> w, std::size_t group_size, double levels, double dead, unsigned char* alive,
                                                         row_partial* partials)
{
    __shared__ double memory[32], shared_largest;
    __shared__ device_count counts[32];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    double squares = 0, channel = 0, grouped = 0;
    device_count dead_rows = 0, runs_of_4 = 0, runs_of_8 = 0;
    for (std::size_t r = blockIdx.x; r < w.rows; r += gridDim.x) {
        const T* row = w.data + r * w.row_stride;
        double largest = 0;
        for (std::size_t begin = warp * group_size; begin < w.cols; begin += warps * group_size) {
            const std::size_t end = w.cols - begin < group_size ? w.cols : begin + group_size;
            double most = 0;
            for (std::size_t i = begin + lane; i < end; i += 32) {
                const double size = fabs(weight_or_zero(row + i));
                most = size > most ? size : most;
            }
            most = team_max<32>(most);
            largest = most > largest ? most : largest;
            if (!(most > 0))
                continue;
            const auto scale = exact_divisor::of(__ddiv_rn(most, levels));
            for (std::size_t i = begin + lane; i < end; i += 32) {
                const double x = weight_or_zero(row + i), error = rounding_error(x, scale);
                squares += x * x;
                grouped += error * error;
            }
        }
        largest = fold_block<max_fold>(largest, 0.0, memory);
        if (threadIdx.x == 0)
            shared_largest = largest;
        __syncthreads();
        largest = shared_largest;
        if (largest > 0) {
            const auto scale = exact_divisor::of(__ddiv_rn(largest, levels));
            for (std::size_t i = threadIdx.x; i < w.cols; i += blockDim.x) {
                const double x = weight_or_zero(row + i), error = rounding_error(x, scale);
                channel += error * error;
                if (fabs(x) > dead && alive[i] == 0)
                    alive[i] = 1;
            }
        }
        count_satisfied_runs(row, w.cols, runs_of_4, runs_of_8);
        dead_rows += threadIdx.x == 0 && largest <= dead;
    }
    squares = fold_block<sum_fold>(squares, 0.0, memory);
    channel = fold_block<sum_fold>(channel, 0.0, memory);
    grouped = fold_block<sum_fold>(grouped, 0.0, memory);
    dead_rows = fold_block<sum_fold>(dead_rows, device_count{0}, counts);
    runs_of_4 = fold_block<sum_fold>(runs_of_4, device_count{0}, counts);
    runs_of_8 = fold_block<sum_fold>(runs_of_8, device_count{0}, counts);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = {squares, channel, grouped, dead_rows, runs_of_4, runs_of_8};
}

// How many bytes are 0; `count` begins as 0.
template <class Byte>
__global__ void __launch_bounds__(256) count_zero_bytes(const Byte* bytes, std::size_t size, unsigned* count)
{
    unsigned zeros = 0;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += std::size_t{gridDim.x} * blockDim.x)
        zeros += bytes[i] == 0;
    zeros = team_sum<32>(zeros);
    if (threadIdx.x % 32 == 0)
        atomicAdd(count, zeros);
}

// Takes memory of a call that has been started. Waits.
template <class T>
row_survey survey_rows(const device_view<T>& view, int bits, std::size_t group_size, cuda_workspace& workspace)
{
    if (view.size() == 0)
        return {};
    constexpr unsigned threads = 128;
    const unsigned most_blocks = workspace.multiprocessors() * (2048 / threads), blocks = blocks_for(view.rows, most_blocks);
    auto* const alive = workspace.take_zeros<unsigned char>(view.cols);
    auto* const dead_columns = workspace.take_zeros<unsigned>(1);
    auto* const partials = workspace.take<row_partial>(blocks);
    launch(survey_row_errors<T>, "survey_row_errors", {.grid = blocks, .threads = threads, .stream = view.stream},
           strided_numbers<T>{view.data, view.rows, view.cols, view.row_stride}, group_size, symmetric_levels(bits), dead_magnitude, alive, partials);
    launch(count_zero_bytes<unsigned char>, "count_zero_bytes",
           {.grid = blocks_for((view.cols + threads - 1) / threads, most_blocks), .threads = threads, .stream = view.stream}, alive, view.cols, dead_columns);
    const std::span<const row_partial> found = workspace.to_host(static_cast<const row_partial*>(partials), blocks);
    const std::span<const unsigned> dead = workspace.to_host(static_cast<const unsigned*>(dead_columns), 1);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    row_survey result{.dead_columns = dead.front(), .two_of_four = {.groups = view.rows * (view.cols / 4)}, .four_of_eight = {.groups = view.rows * (view.cols / 8)}};
    for (const row_partial& part : found) {
        result.sum_squares += part.sum_squares;
        result.channel_squared_error += part.channel_squared_error;
        result.group_squared_error += part.group_squared_error;
        result.dead_rows += part.dead_rows;
        result.two_of_four.satisfied += part.two_of_four;
        result.four_of_eight.satisfied += part.four_of_eight;
    }
    return result;
}

}  // namespace detail

/// survey_rows for a matrix in the memory of a device.
///
/// @return  counts are exactly the host's, sums to 1e-12
/// @throws std::invalid_argument  no matrix, bits or group_size out of range
/// @throws cuda_error             a call of CUDA failed
/// @note    one pass over memory and two over rows that caches hold; waits for the stream
template <class T>
[[nodiscard]] row_survey survey_rows(const device_view<T>& weights, int bits, std::size_t group_size, cuda_workspace& workspace)
{
    detail::require_view(weights, "survey_rows(weights)");
    require(weights.is_matrix, "survey_rows(weights): weights have rank 0 or 1, expected 2 or more");
    require(bits >= 2 && bits <= 16, "survey_rows(weights, bits): bits is {}, expected 2 to 16", bits);
    require(group_size > 0, "survey_rows(weights, bits, group_size): group_size is 0, expected 1 or more");
    require(weights.stream == workspace.stream(), "survey_rows(weights, bits, group_size, workspace): the workspace is of another stream than the weights");
    workspace.start_call();
    return detail::survey_rows(weights, bits, group_size, workspace);
}

}  // namespace weightscope
