#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/scorers/score_order.hpp>
#include <weightscope/scorers/score_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE double score_of_key(std::uint64_t key)
{
    return std::bit_cast<double>(key ^ ((key >> 63 != 0 ? 0 : ~std::uint64_t{0}) | std::uint64_t{1} << 63));
}

WEIGHTSCOPE_INLINE void score_selector::add(std::span<const double> scores)
{
    if (collecting_) {
        const auto parts = map_chunks(scores.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
            std::vector<std::uint64_t> keys;
            for (const double score : scores.subspan(begin, end - begin))
                if (const std::uint64_t key = score_key(score); key >> (shift_ + 16) == prefix_)
                    keys.push_back(key);
            return keys;
        });
        for (const std::vector<std::uint64_t>& keys : parts)
            collected_.insert(collected_.end(), keys.begin(), keys.end());
        return;
    }
    constexpr std::size_t most_parts = 8;
    const std::size_t part = std::max((scores.size() + most_parts - 1) / most_parts, chunk_elements);
    const bool first = shift_ == 48;
    const auto partials = map_chunks(scores.size(), part, [&](std::size_t begin, std::size_t end) {
        std::vector<std::uint32_t> counts(bins);  // fewer scores than 2^32 in a part: else they would take 32 GiB
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint64_t key = score_key(scores[i]);
            if (first || key >> (shift_ + 16) == prefix_)
                ++counts[key >> shift_ & 0xffff];
        }
        return counts;
    });
    for (const auto& counts : partials)
        for (std::size_t b = 0; b < bins; ++b)
            counts_[b] += counts[b];
}

WEIGHTSCOPE_INLINE void score_selector::finish_pass()
{
    if (collecting_) {
        const auto at = collected_.begin() + static_cast<std::ptrdiff_t>(rank_ - 1);
        std::nth_element(collected_.begin(), at, collected_.end());
        const std::uint64_t key = *at;
        std::size_t below = 0, tied = 0;
        for (const std::uint64_t other : collected_) {
            below += other < key ? 1 : 0;
            tied += other == key ? 1 : 0;
        }
        finish(key, below, tied);
        return;
    }
    std::size_t bin = 0, below = 0;
    while (below + counts_[bin] < rank_)
        below += counts_[bin++];
    const std::size_t inside = counts_[bin];
    prefix_ = prefix_ << 16 | bin;
    if (shift_ == 0) {
        finish(prefix_, below, inside);
        return;
    }
    rank_ -= below;
    below_ += below;
    shift_ -= 16;
    collecting_ = inside <= most_collected_;
    std::fill(counts_.begin(), counts_.end(), 0);
}

WEIGHTSCOPE_INLINE void score_selector::finish(std::uint64_t key, std::size_t below, std::size_t tied)
{
    cut_ = {.key = key, .below = below_ + below, .tied = tied, .tied_removed = rank_ - below};
    done_ = true;
}

WEIGHTSCOPE_INLINE score_cut find_cut(std::span<const double> scores, std::size_t rank)
{
    score_selector selector(rank, scores.size() / 8);
    while (!selector.done()) {
        selector.add(scores);
        selector.finish_pass();
    }
    return selector.cut();
}

WEIGHTSCOPE_INLINE std::size_t remove_below(std::span<const double> scores, const score_cut& cut, std::size_t& ties_left, weight_mask& mask)
{
    static_assert(chunk_elements % 64 == 0);
    constexpr std::size_t chunk_words = chunk_elements / 64;
    const double threshold = score_of_key(cut.key);
    const auto bits_of = [&](std::size_t begin, std::size_t end, std::vector<std::uint64_t>& below, std::vector<std::uint64_t>& tied) {
        below.resize((end - begin + 63) / 64);
        tied.resize(below.size());
        dispatch(score_bits_kernel{}, scores.data() + begin, end - begin, threshold, threshold, below.data(), tied.data());
    };
    const auto counts = map_chunks(scores.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        std::vector<std::uint64_t> below, tied;
        bits_of(begin, end, below, tied);
        for (std::size_t word = 0; word < below.size(); ++word)
            mask.remove_word(begin / 64 + word, below[word]);
        return std::array<std::size_t, 2>{bit_count(below), bit_count(tied)};
    });
    std::size_t removed = 0;
    std::vector<std::size_t> ties;  // that each chunk removes
    for (const auto& [below, tied] : counts) {
        ties.push_back(std::min(tied, ties_left));
        ties_left -= ties.back();
        removed += below + ties.back();
    }
    parallel_for(ties.size(), [&](std::size_t chunk) {
        std::size_t left = ties[chunk];
        if (left == 0)
            return;
        const std::size_t begin = chunk * chunk_elements, end = std::min(begin + chunk_elements, scores.size());
        std::vector<std::uint64_t> below, tied;
        bits_of(begin, end, below, tied);
        for (std::size_t word = 0; word < tied.size() && left > 0; ++word)
            mask.remove_word(chunk * chunk_words + word, lowest_bits(tied[word], left));
    });
    return removed;
}

WEIGHTSCOPE_INLINE std::size_t scored_count(std::span<const double> scores)
{
    const auto counts = map_chunks(scores.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        return dispatch(count_unscored_kernel{}, scores.data() + begin, end - begin);
    });
    std::size_t total = scores.size();
    for (const std::size_t count : counts)
        total -= count;
    return total;
}

}  // namespace weightscope::detail
