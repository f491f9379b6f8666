#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/score_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

// What a pass over a chunk of the scores of a tensor finds: how many are below a bracket, and those inside.
struct chunk_selection
{
    std::size_t below = 0, unscored = 0, inside_count = 0;
    std::vector<double> scores = {};
    std::vector<std::uint32_t> places = {};  // from the begin of the chunk

    void collect(std::span<const double> all, std::span<const std::uint64_t> inside);
};

// Counts, collects what is in the bracket if that is asked for, and removes what is below it if there is a mask.
WEIGHTSCOPE_INLINE std::vector<chunk_selection> select_around(std::span<const double> scores, const score_bracket& bracket, bool collect,
                                                              weight_mask* mask);

WEIGHTSCOPE_INLINE chunk_selection sum_of(std::span<const chunk_selection> chunks);

// Removes the lowest `count` scores of a tensor, or as many as there are without NaN, of equal ones the first. A sample says between
// which two scores the last one lies: one pass removes what is below and collects what is between. Where too many are equal to each other
// it guesses that score and counts, and where the sample misled it goes by radix.
WEIGHTSCOPE_INLINE group_choice remove_lowest(std::span<const double> scores, std::size_t count, weight_mask& mask);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/tensor_selection.hpp>
#endif
