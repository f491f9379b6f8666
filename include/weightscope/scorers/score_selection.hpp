#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/simd.hpp>

namespace weightscope::detail {

// For 64 scores at a time, one bit each: whether it is below `low`, and whether it is in [low, high]. Returns how many are NaN, which
// are neither.
struct score_bits_kernel
{
    [[gnu::always_inline]] std::size_t operator()(const double* scores, std::size_t count, double low, double high, std::uint64_t* below,
                                                  std::uint64_t* within) const
    {
        using lanes = simd_vector<double>;
        using bits = simd_vector<std::int64_t>;
        const lanes l = lanes{} + low, h = lanes{} + high;
        bits unscored = {};
        const std::size_t whole = count / 64;
        for (std::size_t word = 0; word < whole; ++word) {
            bits first = {1, 2, 4, 8}, second = {16, 32, 64, 128}, under = {}, inside = {};
            for (std::size_t i = 0; i < 64; i += 8) {
                const lanes x = *group_at(scores + 64 * word + i), y = *group_at(scores + 64 * word + i + 4);
                under |= ((x < l) & first) | ((y < l) & second);
                inside |= ((x >= l) & (x <= h) & first) | ((y >= l) & (y <= h) & second);
                unscored -= x != x;
                unscored -= y != y;
                first <<= 8;
                second <<= 8;
            }
            below[word] = static_cast<std::uint64_t>(under[0] | under[1] | under[2] | under[3]);
            within[word] = static_cast<std::uint64_t>(inside[0] | inside[1] | inside[2] | inside[3]);
        }
        auto not_scored = static_cast<std::size_t>(unscored[0] + unscored[1] + unscored[2] + unscored[3]);
        if (count % 64 != 0)
            below[whole] = within[whole] = 0;
        for (std::size_t i = 64 * whole; i < count; ++i) {
            below[whole] |= std::uint64_t{scores[i] < low} << i % 64;
            within[whole] |= std::uint64_t{scores[i] >= low && scores[i] <= high} << i % 64;
            not_scored += scores[i] != scores[i] ? 1 : 0;
        }
        return not_scored;
    }
};

WEIGHTSCOPE_INLINE std::size_t bit_count(std::span<const std::uint64_t> words);

// The lowest `left` bits of a word that are set, or all; `left` counts down.
WEIGHTSCOPE_INLINE std::uint64_t lowest_bits(std::uint64_t word, std::size_t& left);

// Two scores that the one of a rank lies between, as a rule.
struct score_bracket
{
    double middle = 0;
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    double share = 1;  // of the sample that is between them
};

// Asks `most` scores for the bracket, `deviations` standard deviations of the sample's rank wide on both sides; `share` of all scores are
// below the one that is looked for. The sample is spread evenly, in no step with rows or columns.
WEIGHTSCOPE_INLINE score_bracket sample_bracket(std::span<const double> scores, double share, std::size_t most, double deviations,
                                                std::vector<double>& sample);

// Memory for score_of_rank(), to be used again.
struct score_work
{
    std::vector<double> parts[2] = {};  // of the scores, turn by turn fewer
    std::vector<double> sample = {};
    std::vector<std::uint64_t> bits = {};
};

// The score number `rank` (from 1) in ascending order, of a row that is in the cache; as many are not NaN. Goes over what may be it once
// for each bracket, and sorts when few are left.
WEIGHTSCOPE_INLINE double score_of_rank(std::span<const double> scores, std::size_t rank, score_work& work);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/score_selection.hpp>
#endif
