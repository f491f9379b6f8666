#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/scorers/mask.hpp>

namespace weightscope {

/// A tensor's scores when they are asked for, so that those of one tensor at a time are in memory.
struct scored_tensor
{
    std::string name = {};
    std::size_t size = 0;
    std::function<std::vector<double>()> scores = {};  ///< [size]; the same whenever it is called
};

struct global_mask_options
{
    double ratio = 0.5;           ///< of all weights to remove, [0, 1]
    count_rounding rounding = count_rounding::at_least;
    double most_per_tensor = 1;   ///< of one tensor's weights at most; what it may not lose others do
};

struct global_mask_result
{
    std::vector<mask_result> tensors = {};  ///< in the order of the input; target_ratio is that of the whole
    double target_ratio = 0;
    double actual_ratio = 0;         ///< below the target only where the limit per tensor or weights without score forbid more
    std::size_t removed_count = 0;
    std::size_t tied_count = 0;      ///< as in mask_result, over all tensors
    std::size_t unscored_count = 0;
    std::size_t emptied_count = 0;   ///< tensors of which nothing is left
    metric threshold = metric::missing("nothing is removed");
};

namespace detail {

WEIGHTSCOPE_INLINE std::vector<double> scores_of(const scored_tensor& tensor);

}  // namespace detail

/// Removes the weights with the lowest scores of a whole model, wherever they are.
///
/// @param tensors  scores that compare across tensors: comparison_group::global
/// @param options  see global_mask_options
/// @return         see global_mask_result; exactly as many as the ratio means, of equal scores those of the first tensors and of the
///                 lowest index
/// @throws std::invalid_argument  ratio or most_per_tensor is not in [0, 1], or a tensor has not as many scores as it says
/// @note           each tensor's scores are asked for five times as a rule, eight at most, and again for each tensor that reaches the
///                 limit; memory: scores of the largest tensor and a bit for each weight
[[nodiscard]] WEIGHTSCOPE_INLINE global_mask_result select_global_mask(std::span<const scored_tensor> tensors,
                                                                       const global_mask_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/global_mask.hpp>
#endif
