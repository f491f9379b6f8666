#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/cuda/device_mask.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/mask_kernels.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/scores.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/score_order.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

/// select_tensor_mask for scores in the memory of a device: the same weights as on the host.
///
/// @throws std::invalid_argument  the ratio is not in [0, 1]
/// @throws cuda_error             a call of CUDA failed
/// @note                          six passes over the scores; waits for the stream
[[nodiscard]] inline device_mask select_tensor_mask(const device_importance& scores, const mask_options& options, cuda_workspace& workspace)
{
    device_mask mask = detail::begin_mask(scores, "select_tensor_mask(scores, options)", workspace);
    mask.convention = "tensor";
    mask.target_ratio = options.ratio;
    const std::size_t wanted = removed_count_for(options.ratio, mask.size, options.rounding);
    if (mask.size == 0)
        return mask;
    const detail::device_cut found = detail::find_cut_on_device(scores, wanted, workspace);
    mask.unscored_count = found.unscored;
    mask.removed_count = found.removed;
    mask.actual_ratio = detail::share_of(found.removed, mask.size);
    if (found.removed == 0)
        return mask;
    mask.tied_count = found.cut.tied_removed < found.cut.tied ? found.cut.tied : 0;
    mask.threshold = detail::score_of_key(found.cut.key);
    detail::mark_below_cut(scores, found.cut, mask, workspace);
    return mask;
}

/// select_row_mask for scores in the memory of a device: the same weights as on the host.
///
/// @throws std::invalid_argument  the ratio is not in [0, 1]
/// @throws cuda_error             a call of CUDA failed
[[nodiscard]] inline device_mask select_row_mask(const device_importance& scores, const mask_options& options, matrix_orientation orientation,
                                                 cuda_workspace& workspace)
{
    device_mask mask = detail::begin_mask(scores, "select_row_mask(scores, options)", workspace);
    mask.convention = "row";
    mask.target_ratio = options.ratio;
    const detail::score_groups groups = detail::score_groups_of(scores, orientation);
    const std::size_t wanted = removed_count_for(options.ratio, groups.size, options.rounding);
    if (mask.size == 0)
        return mask;
    auto* const sums = workspace.take_zeros<detail::group_choice_sums>(1);
    const unsigned blocks = detail::blocks_for(groups.count, workspace.multiprocessors() * (2048 / detail::mask_threads));
    detail::launch(detail::select_in_rows<double>, "select_in_rows", {.grid = blocks, .threads = detail::mask_threads, .stream = scores.stream},
                   scores.scores.data(), groups, wanted, mask.words.data(), sums);
    detail::finish_groups(sums, mask);
    return mask;
}

/// select_nm_mask for scores in the memory of a device: the same weights as on the host.
///
///     select_nm_mask(scores, {.keep = 2, .of = 4}, matrix_orientation::out_in, workspace)
///
/// @throws std::invalid_argument  as the host's function
/// @throws cuda_error             a call of CUDA failed
[[nodiscard]] inline device_mask select_nm_mask(const device_importance& scores, const nm_options& options, matrix_orientation orientation,
                                                cuda_workspace& workspace)
{
    constexpr const char* caller = "select_nm_mask(scores, options)";
    require(options.keep > 0 && options.keep < options.of, "{}: keep is {} of {}, expected 1 to {}", caller, options.keep, options.of,
            options.of > 0 ? options.of - 1 : 0);
    require(options.of <= std::numeric_limits<unsigned>::max(), "{}: blocks are of {}, expected fewer than 2^32", caller, options.of);
    device_mask mask = detail::begin_mask(scores, caller, workspace);
    const detail::score_groups groups = detail::score_groups_of(scores, orientation);
    const std::size_t tail = groups.size % options.of, removed = options.of - options.keep;
    require(tail == 0 || options.tail != tail_policy::refuse, "{}: rows of {} weights are no whole blocks of {}; choose tail_policy::share or keep", caller,
            groups.size, options.of);
    const std::size_t tail_removed = options.tail == tail_policy::share ? tail * removed / options.of : 0;
    mask.convention = to_string(options);
    mask.target_ratio = detail::share_of(removed, options.of);
    if (mask.size == 0)
        return mask;
    auto* const sums = workspace.take_zeros<detail::group_choice_sums>(1);
    const std::size_t pieces = (groups.size + options.of - 1) / options.of * groups.count;
    const unsigned blocks = detail::blocks_for((pieces + detail::mask_threads - 1) / detail::mask_threads,
                                               workspace.multiprocessors() * (2048 / detail::mask_threads));
    detail::launch(detail::select_in_blocks<double>, "select_in_blocks", {.grid = blocks, .threads = detail::mask_threads, .stream = scores.stream},
                   scores.scores.data(), groups, static_cast<unsigned>(options.of), static_cast<unsigned>(removed), static_cast<unsigned>(tail_removed),
                   mask.words.data(), sums);
    detail::finish_groups(sums, mask);
    return mask;
}

/// The mask on the host. Waits for its stream.
[[nodiscard]] inline weight_mask copy_of_mask(const device_mask& mask)
{
    std::vector<unsigned> words(mask.words.size());
    copy_to_host(static_cast<const unsigned*>(mask.words.data()), std::span(words), mask.stream);
    check_cuda(cudaStreamSynchronize(mask.stream), "cudaStreamSynchronize");
    weight_mask result(mask.size);
    for (std::size_t i = 0; i < mask.size; ++i)
        if ((words[i / 32] >> i % 32 & 1u) != 0)
            result.remove(i);
    return result;
}

/// Sets the removed weights to 0, in the order of the mask's stream.
///
/// @param weights  as many as the mask is of, without gaps
template <class T>
void apply_mask_inplace(T* weights, const device_mask& mask, const cuda_workspace& workspace)
{
    if (mask.size == 0)
        return;
    detail::launch(detail::zero_removed<T>, "zero_removed",
                   {.grid = detail::blocks_for((mask.size + detail::mask_threads - 1) / detail::mask_threads, workspace.multiprocessors() * 16),
                    .threads = detail::mask_threads,
                    .stream = mask.stream},
                   weights, mask.size, mask.words.data());
}

}  // namespace weightscope
