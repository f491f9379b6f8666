#pragma once

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/mask_kernels.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/scores.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/score_order.hpp>

namespace weightscope {

/// mask_result with its mask in the memory of the device.
struct device_mask
{
    device_memory<unsigned> words = {};  ///< bit i % 32 of word i / 32 is set where weight i is removed
    std::size_t size = 0;
    cudaStream_t stream = nullptr;
    std::string convention = {};     ///< "tensor", "row", "keep=2,of=4"
    double target_ratio = 0;
    double actual_ratio = 0;         ///< removed_count / size
    std::size_t removed_count = 0;
    std::size_t tied_count = 0;      ///< weights whose score is equal to the last removed one's where only some of them went, lowest index first
    std::size_t unscored_count = 0;  ///< weights whose score is NaN, which are kept
    metric threshold = metric::missing("nothing is removed");  ///< largest score removed
};

namespace detail {

inline constexpr unsigned mask_threads = 128;

inline device_mask begin_mask(const device_importance& scores, const char* caller, cuda_workspace& workspace)
{
    require(scores.stream == workspace.stream(), "{}: the workspace is of another stream than the scores", caller);
    require(scores.scores.size() == scores.rows * scores.cols, "{}: there are {} scores, expected {} x {}", caller, scores.scores.size(), scores.rows,
            scores.cols);
    workspace.start_call();
    device_mask mask{.words = device_memory<unsigned>((scores.scores.size() + 31) / 32, scores.stream), .size = scores.scores.size(), .stream = scores.stream};
    if (mask.size > 0)
        check_cuda(cudaMemsetAsync(mask.words.data(), 0, mask.words.size() * sizeof(unsigned), mask.stream), "cudaMemsetAsync");
    return mask;
}

// The score number `wanted` (from 1) in ascending order, 16 bits at a time, and how many have NaN; fewer are wanted where fewer have a score.
// Waits once for each 16 bits.
struct device_cut
{
    score_cut cut = {};
    std::size_t unscored = 0, removed = 0;
};

inline device_cut find_cut_on_device(const device_importance& scores, std::size_t wanted, cuda_workspace& workspace)
{
    constexpr std::size_t digits = 65536;
    const strided_numbers<double> numbers{scores.scores.data(), 1, scores.scores.size(), scores.scores.size()};
    const unsigned threads = workspace.threads(1024);
    const unsigned blocks = blocks_for(tile_count(numbers, threads), workspace.multiprocessors());
    const bin_parts parts = bin_parts_for(workspace.shared_bytes());
    auto* const totals = workspace.take<device_count>(digits + 1);  // the last one is that of NaN
    std::vector<device_count> found(digits + 1);
    device_cut result;
    score_word prefix = 0;
    std::size_t rank = 0;
    for (unsigned shift = 64; shift > 0;) {
        shift -= 16;
        check_cuda(cudaMemsetAsync(totals, 0, found.size() * sizeof(device_count), scores.stream), "cudaMemsetAsync");
        launch(count_digits<double>, "count_digits",
               {.grid = dim3(blocks, parts.parts), .threads = threads, .shared_bytes = parts.shared_bytes(), .stream = scores.stream}, numbers, shift, prefix,
               parts.bins, totals, totals + digits);
        copy_to_host(static_cast<const device_count*>(totals), std::span(found), scores.stream);
        check_cuda(cudaStreamSynchronize(scores.stream), "cudaStreamSynchronize");
        if (shift == 48) {
            result.unscored = found[digits];
            result.removed = rank = std::min(wanted, scores.scores.size() - result.unscored);
            if (rank == 0)
                return result;
        }
        std::size_t digit = 0, below = 0;
        while (below + found[digit] < rank)
            below += found[digit++];
        prefix = prefix << 16 | digit;
        rank -= below;
        result.cut.below += below;
        result.cut.tied = found[digit];
    }
    result.cut.key = prefix;
    result.cut.tied_removed = rank;
    return result;
}

inline void mark_below_cut(const device_importance& scores, const score_cut& cut, device_mask& mask, cuda_workspace& workspace)
{
    const std::size_t size = mask.size, tiles = (size + mask_threads - 1) / mask_threads;
    const unsigned blocks = blocks_for(tiles, workspace.multiprocessors() * (2048 / mask_threads));
    const std::size_t per_block = (tiles + blocks - 1) / blocks * mask_threads;
    auto* const ties = workspace.take<unsigned>(blocks);
    const launch_shape shape{.grid = blocks, .threads = mask_threads, .stream = scores.stream};
    launch(mark_below<double>, "mark_below", shape, scores.scores.data(), size, per_block, score_word{cut.key}, cut.tied_removed, nullptr, ties, nullptr);
    std::vector<unsigned> of_blocks(blocks), before(blocks);
    copy_to_host(static_cast<const unsigned*>(ties), std::span(of_blocks), scores.stream);
    check_cuda(cudaStreamSynchronize(scores.stream), "cudaStreamSynchronize");
    std::exclusive_scan(of_blocks.begin(), of_blocks.end(), before.begin(), 0u);
    copy_to_device(std::span<const unsigned>(before), ties, scores.stream);
    launch(mark_below<double>, "mark_below", shape, scores.scores.data(), size, per_block, score_word{cut.key}, cut.tied_removed, ties, nullptr, mask.words.data());
}

// Waits.
inline void finish_groups(const group_choice_sums* on_device, device_mask& mask)
{
    group_choice_sums sums{};
    copy_to_host(on_device, std::span(&sums, 1), mask.stream);
    check_cuda(cudaStreamSynchronize(mask.stream), "cudaStreamSynchronize");
    mask.removed_count = sums.removed;
    mask.tied_count = sums.tied;
    mask.unscored_count = sums.unscored;
    mask.actual_ratio = share_of(mask.removed_count, mask.size);
    if (mask.removed_count > 0)
        mask.threshold = score_of_key(sums.threshold);
}

// Rows, or columns where the tensor is [in, out].
inline score_groups score_groups_of(const device_importance& scores, matrix_orientation orientation)
{
    const bool turned = orientation == matrix_orientation::in_out;
    return {.count = turned ? scores.cols : scores.rows,
            .size = turned ? scores.rows : scores.cols,
            .group_step = turned ? 1 : scores.cols,
            .step = turned ? scores.cols : 1};
}

}  // namespace detail

}  // namespace weightscope
