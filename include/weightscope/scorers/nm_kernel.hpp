#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

// Chooses the lowest `removed` of each block of Size scores, 64 scores at a time, without branches: four blocks side by side, each score
// compared with all of its block. Writes a word for each 64 and stops before one with NaN; returns how many words it wrote.
template <std::size_t Size>
struct nm_kernel
{
    [[gnu::always_inline]] std::size_t operator()(const double* scores, std::size_t words, std::size_t removed, std::uint64_t* bits,
                                                  group_choice* sum) const
    {
        using lanes = simd_vector<double>;
        using marks = simd_vector<std::int64_t>;
        const lanes lowest = lanes{} - std::numeric_limits<double>::infinity();
        const auto least = -static_cast<std::int64_t>(removed);
        lanes largest = lowest;
        marks tied = {};
        std::size_t word = 0;
        for (; word < words; ++word) {
            std::uint64_t chosen = 0;
            marks unscored = {}, word_tied = {};
            lanes word_largest = largest;
            for (std::size_t four = 0; four < 16 / Size; ++four) {
                const double* const p = scores + 64 * word + 4 * Size * four;
                lanes score[Size];
                for (std::size_t i = 0; i < Size; ++i) {
                    score[i] = lanes{p[i], p[Size + i], p[2 * Size + i], p[3 * Size + i]};
                    unscored |= score[i] != score[i];
                }
                marks before[Size] = {};  // minus how many come before
                for (std::size_t i = 0; i < Size; ++i)
                    for (std::size_t j = i + 1; j < Size; ++j) {
                        const marks later_is_below = score[j] < score[i];
                        before[i] += later_is_below;
                        before[j] += ~later_is_below;
                    }
                lanes cut = lowest;
                marks code = {};
                for (std::size_t i = 0; i < Size; ++i) {
                    const marks goes = before[i] > least;
                    code |= goes & (std::int64_t{1} << i);
                    const lanes own = score[i];  // nvcc's front end wants it by name
                    const lanes gone = goes ? own : lowest;
                    cut = cut > gone ? cut : gone;
                    before[i] = goes;
                }
                marks equal_count = {}, equal_stays = {};
                for (std::size_t i = 0; i < Size; ++i) {
                    const marks equal = score[i] == cut;
                    equal_count -= equal;
                    equal_stays |= equal & ~before[i];
                }
                word_tied += equal_stays & equal_count;
                word_largest = word_largest > cut ? word_largest : cut;
                for (std::size_t l = 0; l < 4; ++l)
                    chosen |= static_cast<std::uint64_t>(code[l]) << (Size * (4 * four + l));
            }
            if ((unscored[0] | unscored[1] | unscored[2] | unscored[3]) != 0)
                break;
            bits[word] = chosen;
            tied += word_tied;
            largest = word_largest;
        }
        for (std::size_t l = 0; l < 4; ++l) {
            sum->tied += static_cast<std::size_t>(tied[l]);
            sum->threshold = largest[l] > sum->threshold ? largest[l] : sum->threshold;
        }
        sum->removed += word * (64 / Size) * removed;
        return word;
    }
};

// Chooses the lowest `removed` of each block of Size scores, which are whole blocks.
template <std::size_t Size>
group_choice choose_in_blocks(std::span<const double> scores, std::size_t removed, weight_mask& mask)
{
    const auto partials = map_chunks(scores.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        group_choice sum;
        std::vector<std::uint64_t> bits((end - begin) / 64);
        for (std::size_t word = 0; 64 * word < end - begin;) {
            const double* const at = scores.data() + begin + 64 * word;
            const std::size_t whole = dispatch(nm_kernel<Size>{}, at, bits.size() - word, removed, bits.data() + word, &sum);
            for (std::size_t i = word; i < word + whole; ++i)
                mask.remove_word(begin / 64 + i, bits[i]);
            word += whole;
            std::uint64_t rest = 0;  // of what has NaN, or is less than a word
            const std::size_t from = begin + 64 * word;
            for (std::size_t i = from; i < std::min(end, from + 64); i += Size)
                rest |= choose_lowest_of_few(scores.subspan(i, Size), removed, sum) << (i - from);
            if (from < end)
                mask.remove_word(from / 64, rest);
            ++word;
        }
        return sum;
    });
    group_choice total;
    for (const group_choice& choice : partials)
        total += choice;
    return total;
}

}  // namespace weightscope::detail
