#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/scorers/global_mask.hpp>

namespace weightscope {

/// Something that can be removed from a model, a single weight or a group of them, and what a score says of it.
struct removable
{
    weight_group group = {};
    double predicted = 0;      ///< the score; the higher, the more its removal should hurt
    std::string stratum = {};  ///< kind of thing, such as the tensor or the layer type: a sample takes some of each
};

struct sample_removables_options
{
    std::size_t samples = 200;
    std::uint64_t seed = 0;
};

namespace detail {

// How many of `samples` each stratum gets: by its size, at least one while they last, never more than it has.
WEIGHTSCOPE_INLINE std::vector<std::size_t> shares_of_strata(const std::vector<std::size_t>& sizes, std::size_t samples);

}  // namespace detail

/// A random sample that has all strata in it, and in each of them all sizes of score.
///
/// Each stratum gets a part by its number of items, at least one while they last; within it the items are cut into runs of equal length
/// in the order of their scores, and one is drawn of each.
///
/// @return numbers of the items, ascending; all of them where there are no more than options.samples. Items without a finite score are
///         left out.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::size_t> sample_removables(std::span<const removable> items,
                                                                            const sample_removables_options& options = {});

/// Single weights to check a per-weight score with: of each tensor a part by its size, and in it all sizes of score.
///
/// @param weights  of the evaluator: tensors are found by their names
/// @param tensors  scores of tensors, under the names of the evaluator
/// @return         at most options.samples items, each one weight, in the order of the tensors; the tensor is the stratum
/// @throws std::invalid_argument  a tensor is not among the evaluator's, or differs in size
/// @note           scores of one tensor at a time in memory; eight times as many weights as are returned are drawn at random first
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<removable> sample_weights(std::span<const weight_info> weights, std::span<const scored_tensor> tensors,
                                                                       const sample_removables_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/removable.hpp>
#endif
