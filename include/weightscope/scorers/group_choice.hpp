#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/score_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

// What a group of scores gave.
struct group_choice
{
    std::size_t removed = 0, tied = 0, unscored = 0;
    double threshold = -std::numeric_limits<double>::infinity();

    group_choice& operator+=(const group_choice& other)
    {
        removed += other.removed;
        tied += other.tied;
        unscored += other.unscored;
        threshold = std::max(threshold, other.threshold);
        return *this;
    }
};

// Memory for choose_lowest(), to be used again.
struct choice_work
{
    score_work scores = {};
    std::vector<std::uint64_t> tied = {};
};

// Sets the bits of a group's lowest `count` scores, of equal ones the first, and no others; `bits` has room for a bit each.
WEIGHTSCOPE_INLINE group_choice choose_lowest(std::span<const double> scores, std::size_t count, choice_work& work, std::span<std::uint64_t> bits);

// The same where there are 16 at most, without looking for a cut: each is compared with all. The bits are those of the result.
WEIGHTSCOPE_INLINE std::uint64_t choose_lowest_of_few(std::span<const double> scores, std::size_t count, group_choice& sum);

// Sets bits of a mask from number `at` on.
WEIGHTSCOPE_INLINE void remove_bits(weight_mask& mask, std::size_t at, std::span<const std::uint64_t> bits);

// Sets the bits of a mask where a byte is 1.
WEIGHTSCOPE_INLINE void remove_marked(std::span<const std::uint8_t> marks, weight_mask& mask);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_choice.hpp>
#endif
