#pragma once
// Single values of those bins that an answer of survey_streamed.hpp depends on.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/bin_magnitudes.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// A bin whose single values are asked for, by position in ascending order, and how many weights it holds.
struct wanted_bin
{
    std::size_t bin = 0;
    std::uint64_t count = 0;
};

// Bins are resolved this many at a time: at most 64 MiB of their contents are in memory.
inline constexpr std::size_t resolved_at_once = 64;

// From this many on the floats of a bin are counted by the 16 bits that the bin leaves open, as they come, all over a table of
// 256 KiB; of fewer the 16 bits are kept, which is easier on the caches.
inline constexpr std::uint64_t table_limit = std::uint64_t{1} << 19;

inline constexpr std::uint8_t no_slot = 0xff;

// Where the weights of wanted bins go, by the 16 bits of a weight.
struct wanted_bins_table
{
    std::vector<std::uint8_t> slots = std::vector<std::uint8_t>(value_bin_count, no_slot);
    std::vector<std::uint8_t> members = std::vector<std::uint8_t>(value_bin_count);  // 1 where there is a slot, else 0

    explicit wanted_bins_table(std::span<const wanted_bin> wanted)
    {
        for (std::size_t slot = 0; slot < wanted.size(); ++slot) {
            const std::uint32_t bin = signed_magnitude_of_bin(wanted[slot].bin);
            slots[bin] = static_cast<std::uint8_t>(slot);
            members[bin] = 1;
        }
    }
};

// What one thread has seen of the wanted bins, by slot: their place among those that are resolved together.
template <class T>
struct bin_contents
{
    using kept_type = std::conditional_t<sizeof(T) == 4, std::uint16_t, T>;  // of a float, what the bin leaves open

    std::vector<std::vector<std::uint32_t>> tables;  // [slots] counts by low bits, or empty
    std::vector<std::vector<kept_type>> kept;        // [slots] weights where there is no table

    explicit bin_contents(std::span<const wanted_bin> wanted) : tables(wanted.size()), kept(wanted.size())
    {
        if constexpr (sizeof(T) == 4)
            for (std::size_t slot = 0; slot < wanted.size(); ++slot)
                if (wanted[slot].count >= table_limit)
                    tables[slot].resize(low_bits::number_count);
    }

    // Takes the weights of wanted bins from these groups of a block.
    void collect(std::span<const T> block, std::span<const std::uint16_t> groups, const wanted_bins_table& wanted)
    {
        constexpr std::size_t width = simd<T>::width;
        T candidates[block_elements + 1];
        std::size_t found = 0;  // put together first, without a branch to be mispredicted
        for (const std::size_t group : groups)
            for (std::size_t i = group * width, end = std::min(i + width, block.size()); i < end; ++i) {
                candidates[found] = block[i];
                found += wanted.members[signed_magnitude_bin(block[i])];
            }
        for (std::size_t i = 0; i < found; ++i) {
            const std::size_t slot = wanted.slots[signed_magnitude_bin(candidates[i])];
            if constexpr (sizeof(T) == 4) {
                const auto low = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(candidates[i]));
                if (tables[slot].empty())
                    kept[slot].push_back(low);
                else
                    ++tables[slot][low];
            } else {
                kept[slot].push_back(candidates[i]);
            }
        }
    }
};

// The magnitudes of one bin, put together from what the threads have seen.
template <class T>
bin_magnitudes magnitudes_in(std::span<const bin_contents<T>* const> threads, std::size_t slot, std::uint32_t m)
{
    std::size_t kept_count = 0;
    for (const bin_contents<T>* thread : threads)
        kept_count += thread->kept[slot].size();
    if constexpr (sizeof(T) == 8) {
        std::vector<double> magnitudes;
        magnitudes.reserve(kept_count);
        for (const bin_contents<T>* thread : threads)
            for (const T weight : thread->kept[slot])
                magnitudes.push_back(std::fabs(weight));
        std::sort(magnitudes.begin(), magnitudes.end());
        return bin_magnitudes(std::move(magnitudes));
    } else {
        constexpr std::size_t few = 8192;  // sorting them is quicker than walking through all numbers
        if (threads.front()->tables[slot].empty() && kept_count < few) {
            std::vector<std::uint16_t> numbers;
            numbers.reserve(kept_count);
            for (const bin_contents<T>* thread : threads)
                numbers.insert(numbers.end(), thread->kept[slot].begin(), thread->kept[slot].end());
            std::sort(numbers.begin(), numbers.end());
            return {low_bits(std::move(numbers)), m};
        }
        std::vector<std::uint64_t> counts(low_bits::number_count);
        for (const bin_contents<T>* thread : threads) {
            for (std::size_t i = 0; i < thread->tables[slot].size(); ++i)
                counts[i] += thread->tables[slot][i];
            for (const std::uint16_t number : thread->kept[slot])
                ++counts[number];
        }
        return {low_bits(std::move(counts)), m};
    }
}

}  // namespace weightscope::detail
