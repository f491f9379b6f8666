#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/scorers/score_selection.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::size_t bit_count(std::span<const std::uint64_t> words)
{
    std::size_t count = 0;
    for (const std::uint64_t word : words)
        count += static_cast<std::size_t>(std::popcount(word));
    return count;
}

WEIGHTSCOPE_INLINE std::uint64_t lowest_bits(std::uint64_t word, std::size_t& left)
{
    const auto there = static_cast<std::size_t>(std::popcount(word));
    if (there <= left) {
        left -= there;
        return word;
    }
    std::uint64_t result = 0;
    for (; left > 0; --left, word &= word - 1)
        result |= word & (0 - word);
    return result;
}

WEIGHTSCOPE_INLINE score_bracket sample_bracket(std::span<const double> scores, double share, std::size_t most, double deviations,
                                                std::vector<double>& sample)
{
    sample.clear();
    for (std::size_t i = 0; i < most; ++i) {
        const double turn = static_cast<double>(i) * 0.6180339887498949;  // of the golden section
        const auto at = static_cast<std::size_t>((turn - std::floor(turn)) * static_cast<double>(scores.size()));
        if (const double score = scores[std::min(at, scores.size() - 1)]; score == score)
            sample.push_back(score);
    }
    score_bracket result;
    if (sample.empty())
        return result;
    const auto size = static_cast<double>(sample.size());
    const double middle = std::min(share * static_cast<double>(most), size);  // NaN is above all
    const double width = deviations * std::sqrt(middle * (1 - middle / size)) + 1;
    const auto low = static_cast<std::ptrdiff_t>(std::max(middle - width, 0.0));
    const auto high = static_cast<std::ptrdiff_t>(std::min(middle + width, size - 1));
    std::nth_element(sample.begin(), sample.begin() + low, sample.end());
    result.low = sample[static_cast<std::size_t>(low)];
    const auto center = std::clamp(static_cast<std::ptrdiff_t>(middle), low, high);
    std::nth_element(sample.begin() + low, sample.begin() + center, sample.end());
    result.middle = sample[static_cast<std::size_t>(center)];
    std::nth_element(sample.begin() + center, sample.begin() + high, sample.end());
    result.high = sample[static_cast<std::size_t>(high)];
    std::size_t inside = 0;
    for (const double score : sample)
        inside += score >= result.low && score <= result.high ? 1 : 0;
    result.share = static_cast<double>(inside) / size;
    if (middle - width < 0)
        result.low = -std::numeric_limits<double>::infinity();
    if (middle + width > size - 1)
        result.high = std::numeric_limits<double>::infinity();
    return result;
}

// Copies the scores in [low, high] to `out`, and says how many they are and how many are below them.
struct score_filter_kernel
{
    struct counts
    {
        std::size_t below = 0, inside = 0;
    };

    // `bits` has room for two words for each 64 scores.
    [[gnu::always_inline]] counts operator()(const double* scores, std::size_t count, double low, double high, std::uint64_t* bits, double* out) const
    {
        const std::size_t words = (count + 63) / 64;
        std::uint64_t* const within = bits + words;
        score_bits_kernel{}(scores, count, low, high, bits, within);
        counts found;
        for (std::size_t word = 0; word < words; ++word) {
            found.below += static_cast<std::size_t>(std::popcount(bits[word]));
            for (std::uint64_t left = within[word]; left != 0; left &= left - 1)
                out[found.inside++] = scores[64 * word + static_cast<std::size_t>(std::countr_zero(left))];
        }
        return found;
    }
};

WEIGHTSCOPE_INLINE double score_of_rank(std::span<const double> scores, std::size_t rank, score_work& work)
{
    constexpr std::size_t few = 96;
    constexpr std::size_t sample_size = 64;
    std::span<const double> left = scores;
    const auto filter = [&](std::size_t round, const score_bracket& bracket) {
        std::vector<double>& out = work.parts[round % 2];
        if (out.size() < left.size())
            out.resize(left.size());
        return dispatch(score_filter_kernel{}, left.data(), left.size(), bracket.low, bracket.high, work.bits.data(), out.data());
    };
    work.bits.resize(std::max(work.bits.size(), 2 * ((scores.size() + 63) / 64)));
    std::size_t round = 0;
    for (; round < 8 && left.size() > few; ++round) {
        const double share = (static_cast<double>(rank) - 0.5) / static_cast<double>(left.size());
        score_bracket bracket = sample_bracket(left, share, sample_size, 2, work.sample);
        score_filter_kernel::counts found = filter(round, bracket);
        if (rank <= found.below || rank > found.below + found.inside) {
            (rank <= found.below ? bracket.low : bracket.high) = (rank <= found.below ? -1 : 1) * std::numeric_limits<double>::infinity();
            found = filter(round, bracket);
        }
        if (bracket.low == bracket.high)
            return bracket.low;
        rank -= found.below;
        left = std::span<const double>(work.parts[round % 2]).first(found.inside);
    }
    const std::size_t count = filter(round, {}).inside;  // without NaN
    const auto begin = work.parts[round % 2].begin(), at = begin + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(begin, at, begin + static_cast<std::ptrdiff_t>(count));
    return *at;
}

}  // namespace weightscope::detail
