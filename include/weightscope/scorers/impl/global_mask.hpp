#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/global_mask.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/score_order.hpp>
#include <weightscope/scorers/tensor_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::vector<double> scores_of(const scored_tensor& tensor)
{
    std::vector<double> scores = tensor.scores();
    require(scores.size() == tensor.size, "scored_tensor: '{}' has {} scores, expected {}", printable(tensor.name), scores.size(), tensor.size);
    return scores;
}

// The cut through the scores of some tensors, and how many each would lose.
inline score_cut global_cut(std::span<const scored_tensor> tensors, const std::vector<bool>& taken, std::size_t rank, std::size_t most_collected,
                            std::vector<std::size_t>& removed)
{
    score_selector selector(rank, most_collected);
    while (!selector.done()) {
        for (std::size_t t = 0; t < tensors.size(); ++t)
            if (taken[t])
                selector.add(scores_of(tensors[t]));
        selector.finish_pass();
    }
    const score_cut cut = selector.cut();
    std::size_t ties_left = cut.tied_removed;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        removed[t] = 0;
        if (!taken[t])
            continue;
        const double threshold = score_of_key(cut.key);
        const chunk_selection found = sum_of(select_around(scores_of(tensors[t]), {.low = threshold, .high = threshold}, false, nullptr));
        const std::size_t ties = std::min(found.inside_count, ties_left);
        ties_left -= ties;
        removed[t] = found.below + ties;
    }
    return cut;
}

}  // namespace detail

WEIGHTSCOPE_INLINE global_mask_result select_global_mask(std::span<const scored_tensor> tensors, const global_mask_options& options)
{
    require(options.most_per_tensor >= 0 && options.most_per_tensor <= 1,
            "select_global_mask(tensors, options): options.most_per_tensor is {}, expected 0 to 1", options.most_per_tensor);
    std::size_t size = 0, largest = 0;
    std::vector<std::size_t> scored, limits, removed(tensors.size());
    global_mask_result result{.target_ratio = options.ratio};
    for (const scored_tensor& tensor : tensors) {
        size += tensor.size;
        largest = std::max(largest, tensor.size);
        scored.push_back(detail::scored_count(detail::scores_of(tensor)));
        result.unscored_count += tensor.size - scored.back();
        const double limit = options.most_per_tensor * static_cast<double>(tensor.size);
        limits.push_back(std::min(scored.back(), static_cast<std::size_t>(limit * (1 + 4 * std::numeric_limits<double>::epsilon()))));
    }
    std::size_t left = removed_count_for(options.ratio, size, options.rounding);

    // tensors that would lose more than they may lose just that, and the others are asked again
    std::vector<bool> taken(tensors.size(), true);
    detail::score_cut cut;
    for (bool settled = false; !settled;) {
        std::size_t there = 0;
        for (std::size_t t = 0; t < tensors.size(); ++t)
            there += taken[t] ? scored[t] : 0;
        const std::size_t rank = std::min(left, there);
        settled = true;
        if (rank == 0) {
            cut = {};
            break;
        }
        cut = detail::global_cut(tensors, taken, rank, std::max<std::size_t>(largest, 65536), removed);
        for (std::size_t t = 0; t < tensors.size(); ++t)
            if (taken[t] && removed[t] > limits[t]) {
                taken[t] = settled = false;
                left -= limits[t];
            }
    }

    std::size_t ties_left = cut.tied_removed;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        mask_result mask{.mask = weight_mask(tensors[t].size), .convention = "global", .target_ratio = options.ratio};
        const std::vector<double> scores = detail::scores_of(tensors[t]);
        if (!taken[t]) {
            detail::remove_lowest(scores, limits[t], mask);
        } else {
            mask.unscored_count = tensors[t].size - scored[t];
            mask.removed_count = cut.tied > 0 ? detail::remove_below(scores, cut, ties_left, mask.mask) : 0;
            if (mask.removed_count > 0)
                mask.threshold = detail::score_of_key(cut.key);
        }
        mask.actual_ratio = detail::share_of(mask.removed_count, tensors[t].size);
        result.removed_count += mask.removed_count;
        result.emptied_count += tensors[t].size > 0 && mask.removed_count == tensors[t].size ? 1 : 0;
        result.tensors.push_back(std::move(mask));
    }
    result.actual_ratio = detail::share_of(result.removed_count, size);
    if (cut.tied > 0) {
        result.tied_count = cut.tied_removed < cut.tied ? cut.tied : 0;
        result.threshold = detail::score_of_key(cut.key);
    }
    return result;
}

}  // namespace weightscope
