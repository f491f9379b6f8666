#pragma once
// The second pass of survey_streamed.hpp: single values of the wanted bins, and the sums of the quantization error.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_bins.hpp>
#include <weightscope/core/value_multiset.hpp>

namespace weightscope::detail {

template <class T>
struct quantization_error_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, quantization_error_sums* sums) const
    {
        constexpr std::size_t width = lane_count;
        constexpr auto exponent_mask = std::bit_cast<bits_of_value<T>>(std::numeric_limits<T>::infinity());
        const double scale = sums->scale;
        double squared[width] = {}, absolute[width] = {}, signal[width] = {};
        const auto add = [&](T weight, std::size_t l) [[gnu::always_inline]] {
            const bool finite = (std::bit_cast<bits_of_value<T>>(weight) & exponent_mask) != exponent_mask;
            const double x = static_cast<double>(finite ? weight : T{0});
            const double error = x - std::nearbyint(x / scale) * scale;
            squared[l] += error * error;
            absolute[l] += std::fabs(error);
            signal[l] += x * error;
        };
        std::size_t i = 0;
        for (; i + width <= count; i += width)
            for (std::size_t l = 0; l < width; ++l)
                add(weights[i + l], l);
        for (; i < count; ++i)
            add(weights[i], 0);
        for (std::size_t l = 0; l < width; ++l) {
            sums->squared_error += squared[l];
            sums->absolute_error += absolute[l];
            sums->signal_error += signal[l];
        }
    }
};

// Bins are resolved this many at a time: 64 tables of 256 KiB are 16 MiB a thread.
inline constexpr std::size_t resolved_at_once = 64;

// Which table belongs to a bin, by the 16 bits of its weights.
using bin_slots = std::vector<std::uint8_t>;
inline constexpr std::uint8_t no_slot = 0xff;

// What one thread has seen of the wanted bins. A float's bin leaves 16 bits open: a table of counts holds them all. A double's
// leaves 48: the weights themselves are kept.
template <class T>
struct bin_contents
{
    std::vector<std::uint32_t> low_bits;  // [slots, 65536], float
    std::vector<std::vector<T>> kept;     // [slots], double

    explicit bin_contents(std::size_t slots)
    {
        if constexpr (sizeof(T) == 4)
            low_bits.resize(slots * 65536);
        else
            kept.resize(slots);
    }

    void collect(const T* weights, std::size_t count, const std::uint8_t* slots)
    {
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint8_t slot = slots[signed_magnitude_bin(weights[i])];
            if (slot == no_slot)
                continue;
            if constexpr (sizeof(T) == 4)
                ++low_bits[slot * std::size_t{65536} + (std::bit_cast<std::uint32_t>(weights[i]) & 0xffff)];
            else
                kept[slot].push_back(weights[i]);
        }
    }
};

// The values of one bin, ascending, put together from what the threads have seen.
template <class T>
std::vector<value_count> ascending_values(const per_thread<bin_contents<T>>& threads, std::size_t slot, std::uint32_t signed_magnitude)
{
    std::vector<value_count> values;
    if constexpr (sizeof(T) == 4) {
        for (std::uint32_t low = 0; low < 65536; ++low) {
            std::uint64_t count = 0;
            for (const auto& thread : threads)
                count += thread.low_bits[slot * std::size_t{65536} + low];
            if (count)
                values.push_back({static_cast<double>(std::bit_cast<float>(signed_magnitude << 16 | low)), count});
        }
        if (signed_magnitude & 0x8000)
            std::reverse(values.begin(), values.end());
    } else {
        for (const auto& thread : threads)
            for (const T weight : thread.kept[slot])
                values.push_back({weight, 1});
        sort_ascending(values);
    }
    return values;
}

// Reads all weights once for every 64 wanted bins, and at least once if `errors` has a scale; adds to its sums.
template <class T>
std::map<std::size_t, value_multiset> second_pass(std::span<const T> weights, const std::vector<std::size_t>& wanted,
                                                  quantization_error_sums& errors)
{
    std::map<std::size_t, value_multiset> contents;
    bool errors_wanted = errors.scale > 0;
    for (std::size_t first = 0; first < wanted.size() || errors_wanted; first += resolved_at_once) {
        const std::size_t slots = std::min(wanted.size() - std::min(first, wanted.size()), resolved_at_once);
        bin_slots slot_of(value_bin_count, no_slot);
        for (std::size_t slot = 0; slot < slots; ++slot)
            slot_of[signed_magnitude_of_bin(wanted[first + slot])] = static_cast<std::uint8_t>(slot);

        per_thread<bin_contents<T>> threads([slots] { return bin_contents<T>(slots); });
        const auto partials = map_chunks(weights.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
            quantization_error_sums sums{.scale = errors.scale};
            bin_contents<T>* own = slots ? &threads.local() : nullptr;
            for (; begin < end; begin += block_elements) {
                const std::size_t size = std::min(end - begin, block_elements);
                if (errors_wanted)
                    dispatch(quantization_error_kernel<T>{}, weights.data() + begin, size, &sums);
                if (own)
                    own->collect(weights.data() + begin, size, slot_of.data());
            }
            return sums;
        });
        if (errors_wanted)
            for (const quantization_error_sums& part : partials) {
                errors.squared_error += part.squared_error;
                errors.absolute_error += part.absolute_error;
                errors.signal_error += part.signal_error;
            }
        errors_wanted = false;

        std::vector<value_multiset> resolved(slots);
        parallel_for(slots, [&](std::size_t slot) {
            resolved[slot] = value_multiset(ascending_values(threads, slot, signed_magnitude_of_bin(wanted[first + slot])));
        });
        for (std::size_t slot = 0; slot < slots; ++slot)
            contents.emplace(wanted[first + slot], std::move(resolved[slot]));
    }
    return contents;
}

}  // namespace weightscope::detail
