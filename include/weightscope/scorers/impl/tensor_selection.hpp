#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/score_order.hpp>
#include <weightscope/scorers/score_selection.hpp>
#include <weightscope/scorers/tensor_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void chunk_selection::collect(std::span<const double> all, std::span<const std::uint64_t> inside)
{
    scores.reserve(inside_count);
    places.reserve(inside_count);
    for (std::size_t word = 0; word < inside.size(); ++word)
        for (std::uint64_t bits = inside[word]; bits != 0; bits &= bits - 1) {
            places.push_back(static_cast<std::uint32_t>(64 * word) + static_cast<std::uint32_t>(std::countr_zero(bits)));
            scores.push_back(all[places.back()]);
        }
}

WEIGHTSCOPE_INLINE std::vector<chunk_selection> select_around(std::span<const double> scores, const score_bracket& bracket, bool collect,
                                                              weight_mask* mask)
{
    return map_chunks(scores.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        std::vector<std::uint64_t> below((end - begin + 63) / 64), inside(below.size());
        const std::span<const double> chunk = scores.subspan(begin, end - begin);
        chunk_selection found;
        found.unscored = dispatch(score_bits_kernel{}, chunk.data(), chunk.size(), bracket.low, bracket.high, below.data(), inside.data());
        found.below = bit_count(below);
        found.inside_count = bit_count(inside);
        if (mask != nullptr)
            for (std::size_t word = 0; word < below.size(); ++word)
                mask->remove_word(begin / 64 + word, below[word]);
        if (collect)
            found.collect(chunk, inside);
        return found;
    });
}

WEIGHTSCOPE_INLINE chunk_selection sum_of(std::span<const chunk_selection> chunks)
{
    chunk_selection sum;
    for (const chunk_selection& chunk : chunks) {
        sum.below += chunk.below;
        sum.unscored += chunk.unscored;
        sum.inside_count += chunk.inside_count;
    }
    return sum;
}

// Of what is inside the bracket the lowest `count` go, of equal ones the first. Returns the last one's score and how many are equal to it.
inline score_cut remove_inside(std::span<const chunk_selection> chunks, std::size_t count, weight_mask& mask)
{
    std::vector<double> all;
    for (const chunk_selection& chunk : chunks)
        all.insert(all.end(), chunk.scores.begin(), chunk.scores.end());
    score_work work;
    const double cut = score_of_rank(all, count, work);
    std::size_t below = 0, tied = 0;
    for (const double score : all) {
        below += score < cut ? 1 : 0;
        tied += score == cut ? 1 : 0;
    }
    std::size_t ties_left = count - below;
    for (std::size_t c = 0; c < chunks.size(); ++c)
        for (std::size_t i = 0; i < chunks[c].scores.size(); ++i) {
            const double score = chunks[c].scores[i];
            const bool first_of_tied = score == cut && ties_left > 0;
            ties_left -= first_of_tied ? 1 : 0;
            if (score < cut || first_of_tied)
                mask.remove(c * chunk_elements + chunks[c].places[i]);
        }
    return {.key = score_key(cut), .below = below, .tied = tied, .tied_removed = count - below};
}

WEIGHTSCOPE_INLINE group_choice remove_lowest(std::span<const double> scores, std::size_t count, weight_mask& mask)
{
    constexpr std::size_t small = std::size_t{1} << 16, sample_size = std::size_t{1} << 14;
    if (scores.size() <= small) {
        choice_work work;
        std::vector<std::uint64_t> bits(mask.words().size());
        const group_choice choice = choose_lowest(scores, count, work, bits);
        remove_bits(mask, 0, bits);
        return choice;
    }
    std::vector<double> sample;
    const score_bracket bracket =
        sample_bracket(scores, static_cast<double>(count) / static_cast<double>(scores.size()), sample_size, 3, sample);
    const bool collect = bracket.share <= 0.125;
    const score_bracket guess = collect ? bracket : score_bracket{.middle = bracket.middle, .low = bracket.middle, .high = bracket.middle};
    const std::vector<chunk_selection> chunks = select_around(scores, guess, collect, collect ? &mask : nullptr);
    const chunk_selection sum = sum_of(chunks);
    const std::size_t rank = std::min(count, scores.size() - sum.unscored);
    group_choice choice{.removed = rank, .unscored = sum.unscored};
    if (rank == 0) {
        mask = weight_mask(scores.size());
        return choice;
    }
    const bool found = sum.below < rank && rank <= sum.below + sum.inside_count;
    score_cut cut;
    if (found && collect) {
        cut = remove_inside(chunks, rank - sum.below, mask);
    } else {
        mask = weight_mask(scores.size());
        cut = found ? score_cut{.key = score_key(bracket.middle), .tied = sum.inside_count, .tied_removed = rank - sum.below}
                    : find_cut(scores, rank);
        std::size_t ties_left = cut.tied_removed;
        remove_below(scores, cut, ties_left, mask);
    }
    choice.threshold = score_of_key(cut.key);
    choice.tied = cut.tied_removed < cut.tied ? cut.tied : 0;
    return choice;
}

}  // namespace weightscope::detail
