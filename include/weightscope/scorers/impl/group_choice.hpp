#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/score_order.hpp>
#include <weightscope/scorers/score_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE group_choice choose_lowest(std::span<const double> scores, std::size_t count, choice_work& work, std::span<std::uint64_t> bits)
{
    group_choice choice;
    choice.unscored = dispatch(count_unscored_kernel{}, scores.data(), scores.size());
    choice.removed = std::min(count, scores.size() - choice.unscored);
    if (choice.removed == 0) {
        std::fill(bits.begin(), bits.end(), std::uint64_t{0});
        return choice;
    }
    choice.threshold = score_of_rank(scores, choice.removed, work.scores) + 0.0;  // -0 becomes 0
    work.tied.resize(bits.size());
    dispatch(score_bits_kernel{}, scores.data(), scores.size(), choice.threshold, choice.threshold, bits.data(), work.tied.data());
    const std::size_t tied = bit_count(work.tied);
    std::size_t ties_left = choice.removed - bit_count(bits);
    choice.tied = ties_left < tied ? tied : 0;
    for (std::size_t word = 0; word < bits.size() && ties_left > 0; ++word)
        bits[word] |= lowest_bits(work.tied[word], ties_left);
    return choice;
}

WEIGHTSCOPE_INLINE std::uint64_t choose_lowest_of_few(std::span<const double> scores, std::size_t count, group_choice& sum)
{
    constexpr std::uint64_t not_scored = ~std::uint64_t{0};
    std::array<std::uint64_t, 16> keys;
    for (std::size_t i = 0; i < scores.size(); ++i)
        keys[i] = score_key(scores[i]);
    std::size_t unscored = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        unscored += keys[i] == not_scored ? 1 : 0;
    const std::size_t removed = std::min(count, scores.size() - unscored);
    std::uint64_t bits = 0, cut = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        std::size_t before = 0;
        for (std::size_t j = 0; j < scores.size(); ++j)
            before += keys[j] < keys[i] || (keys[j] == keys[i] && j < i) ? 1 : 0;
        bits |= std::uint64_t{before < removed} << i;
        cut = before < removed ? std::max(cut, keys[i]) : cut;
    }
    std::size_t tied = 0, tied_removed = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        tied += keys[i] == cut ? 1 : 0;
        tied_removed += keys[i] == cut ? bits >> i & 1 : 0;
    }
    const bool split = removed > 0 && tied_removed < tied;
    sum += {.removed = removed, .tied = split ? tied : 0, .unscored = unscored};
    if (removed > 0)
        sum.threshold = std::max(sum.threshold, score_of_key(cut));
    return bits;
}

WEIGHTSCOPE_INLINE void remove_bits(weight_mask& mask, std::size_t at, std::span<const std::uint64_t> bits)
{
    const std::size_t shift = at % 64;
    for (std::size_t i = 0; i < bits.size(); ++i) {
        const std::uint64_t here = bits[i] << shift, next = shift > 0 ? bits[i] >> (64 - shift) : 0;
        if (here != 0)
            mask.remove_word(at / 64 + i, here);
        if (next != 0)
            mask.remove_word(at / 64 + i + 1, next);
    }
}

WEIGHTSCOPE_INLINE void remove_marked(std::span<const std::uint8_t> marks, weight_mask& mask)
{
    const std::size_t words = mask.words().size(), at_once = chunk_elements / 64;
    parallel_for((words + at_once - 1) / at_once, [&](std::size_t part) {
        for (std::size_t word = part * at_once; word < std::min(words, (part + 1) * at_once); ++word) {
            std::uint64_t bits = 0;
            for (std::size_t i = 64 * word; i < std::min(marks.size(), 64 * word + 64); ++i)
                bits |= std::uint64_t{marks[i]} << (i % 64);
            mask.remove_word(word, bits);
        }
    });
}

}  // namespace weightscope::detail
