#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/analyzers/bit_codes.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<std::uint64_t> count_bit_codes(const bit_codes& codes)
{
    std::vector<std::uint64_t> counts(std::size_t{1} << codes.layout.bits);
    const auto add_up = [&](auto& threads) {
        for (auto& thread : threads) {
            const auto& seen = thread.counts();
            for (std::size_t i = 0; i < counts.size(); ++i)
                counts[i] += seen[i];
        }
    };
    const auto of_chunks = [&](auto&& add) {
        parallel_for((codes.size + chunk_elements - 1) / chunk_elements, [&](std::size_t chunk) {
            const std::size_t begin = chunk * chunk_elements;
            add(begin, std::min(codes.size - begin, chunk_elements));
        });
    };
    if (codes.layout.bits == 16) {
        per_thread<pattern_counts<std::uint16_t>> threads;
        of_chunks([&](std::size_t begin, std::size_t size) { threads.local().add(codes.as<std::uint16_t>().subspan(begin, size)); });
        add_up(threads);
    } else if (codes.layout.bits == 8) {
        per_thread<pattern_counts<std::uint8_t>> threads;
        of_chunks([&](std::size_t begin, std::size_t size) { threads.local().add(codes.as<std::uint8_t>().subspan(begin, size)); });
        add_up(threads);
    } else {
        per_thread<std::vector<std::uint64_t>> threads([&] { return std::vector<std::uint64_t>(counts.size()); });
        of_chunks([&](std::size_t begin, std::size_t size) {
            std::vector<std::uint64_t>& mine = threads.local();
            for (std::size_t i = begin; i < begin + size; ++i)
                ++mine[codes.at(i)];
        });
        for (const auto& thread : threads)
            for (std::size_t i = 0; i < counts.size(); ++i)
                counts[i] += thread[i];
    }
    return counts;
}

// How many of some codes of 16 bits a block holds.
struct count_wanted_kernel
{
    [[gnu::always_inline]] std::size_t operator()(const std::uint16_t* block, std::size_t count, const std::uint16_t* wanted,
                                                  std::size_t wanted_count) const
    {
        std::size_t found = 0;
        for (std::size_t k = 0; k < wanted_count; ++k) {
            std::uint16_t same = 0;  // at most block_elements
            for (std::size_t i = 0; i < count; ++i)
                same = static_cast<std::uint16_t>(same + (block[i] == wanted[k]));
            found += same;
        }
        return found;
    }
};

// Whether a block holds one of the codes that are `rare`, or where these are too many to be listed, one with a bit of `left`.
inline bool holds_wanted(std::span<const std::uint16_t> block, const std::vector<std::uint16_t>& rare, const std::vector<std::uint16_t>& wanted,
                         unsigned left)
{
    if (!rare.empty())
        return dispatch(count_wanted_kernel{}, block.data(), block.size(), rare.data(), rare.size()) > 0;
    unsigned bits = 0;
    for (const std::uint16_t code : block)
        bits |= wanted[code];
    return (bits & left) != 0;
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> find_bit_codes(const bit_codes& codes, const std::vector<std::uint16_t>& wanted)
{
    constexpr std::size_t none = std::numeric_limits<std::size_t>::max(), most_compared = 16, first_part = 65536;
    constexpr std::size_t part_elements = 64 * chunk_elements;
    const std::vector<std::uint16_t> none_compared;
    std::vector<std::size_t> first(codes.layout.bits, none);
    std::uint16_t missing = 0;  // bits that are still looked for
    for (const std::uint16_t bits : wanted)
        missing |= bits;
    for (std::size_t begin = 0, size = first_part; begin < codes.size && missing != 0; begin += size, size = part_elements) {
        const std::size_t end = begin + std::min(size, codes.size - begin);
        std::vector<std::uint16_t> rare;
        for (std::size_t code = 0; code < wanted.size() && rare.size() <= most_compared; ++code)
            if ((wanted[code] & missing) != 0)
                rare.push_back(static_cast<std::uint16_t>(code));
        const bool compared = rare.size() <= most_compared;
        const auto search = [&](std::size_t from, std::size_t to) {
            std::vector<std::size_t> found(first.size(), none);
            unsigned left = missing;
            for (std::size_t block = from; block < to && left != 0; block += block_elements) {
                const std::size_t count = std::min(to - block, block_elements);
                if (codes.layout.bits == 16 && !holds_wanted(codes.as<std::uint16_t>().subspan(block, count), compared ? rare : none_compared, wanted, left))
                    continue;
                for (std::size_t i = block; i < block + count; ++i) {
                    const unsigned bits = wanted[codes.at(i)] & left;
                    if (bits == 0)
                        continue;
                    left &= ~bits;
                    for (std::size_t bit = 0; bit < found.size(); ++bit)
                        found[bit] = (bits >> bit & 1) != 0 ? i : found[bit];
                }
            }
            return found;
        };
        for (const auto& found : map_chunks(end - begin, chunk_elements, [&](std::size_t b, std::size_t e) { return search(begin + b, begin + e); }))
            for (std::size_t bit = 0; bit < first.size(); ++bit)
                first[bit] = std::min(first[bit], found[bit]);
        for (std::size_t bit = 0; bit < first.size(); ++bit)
            if (first[bit] != none)
                missing &= static_cast<std::uint16_t>(~(1u << bit));
    }
    return first;
}

}  // namespace weightscope::detail
