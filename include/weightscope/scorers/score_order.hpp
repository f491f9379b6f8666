#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

// An integer that orders as the scores do, with both zeros alike and NaN above all.
[[gnu::always_inline]] inline std::uint64_t score_key(double score)
{
    const auto bits = std::bit_cast<std::uint64_t>(score + 0.0);  // -0 becomes 0
    const std::uint64_t key = bits ^ ((0 - (bits >> 63)) | std::uint64_t{1} << 63);
    return score != score ? ~std::uint64_t{0} : key;
}

WEIGHTSCOPE_INLINE double score_of_key(std::uint64_t key);

// Where a cut through scores in ascending order lies: those below `key` go, and `tied_removed` of the `tied` that are equal to it.
struct score_cut
{
    std::uint64_t key = 0;
    std::size_t below = 0;
    std::size_t tied = 0;
    std::size_t tied_removed = 0;
};

// Finds the score number `rank` (from 1) among scores that are shown again and again, in pieces: two times as a rule, five times at most.
// Counts the upper 16 bits first; then, if the scores that begin with the right ones are few, sorts those, else goes on with the next 16.
class score_selector
{
public:
    score_selector(std::size_t rank, std::size_t most_collected) : rank_(rank), most_collected_(most_collected), counts_(bins) {}

    bool done() const { return done_; }
    const score_cut& cut() const { return cut_; }

    void add(std::span<const double> scores);

    // All scores have been shown.
    void finish_pass();

private:
    static constexpr std::size_t bins = 65536;

    void finish(std::uint64_t key, std::size_t below, std::size_t tied);

    std::size_t rank_, most_collected_, below_ = 0;
    std::uint64_t prefix_ = 0;
    unsigned shift_ = 48;
    bool collecting_ = false, done_ = false;
    std::vector<std::size_t> counts_;
    std::vector<std::uint64_t> collected_;
    score_cut cut_;
};

WEIGHTSCOPE_INLINE score_cut find_cut(std::span<const double> scores, std::size_t rank);

// Removes what is below the cut, and of what is equal to it the first ones while `ties_left` lasts. Returns how many it removed.
WEIGHTSCOPE_INLINE std::size_t remove_below(std::span<const double> scores, const score_cut& cut, std::size_t& ties_left, weight_mask& mask);

struct count_unscored_kernel
{
    [[gnu::always_inline]] std::size_t operator()(const double* scores, std::size_t count) const
    {
        std::uint64_t unscored = 0;
        for (std::size_t i = 0; i < count; ++i)
            unscored += scores[i] != scores[i] ? 1 : 0;
        return unscored;
    }
};

// How many are not NaN.
WEIGHTSCOPE_INLINE std::size_t scored_count(std::span<const double> scores);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/score_order.hpp>
#endif
