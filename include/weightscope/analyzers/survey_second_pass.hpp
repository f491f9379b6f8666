#pragma once
// The second pass of survey_streamed.hpp: single values of the wanted bins, and the sums of the quantization error.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/bin_magnitudes.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// Of weights that are all finite.
template <class T>
struct quantization_error_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, quantization_error_sums* sums) const
    {
        const std::size_t whole = count - count % lane_count;
        add<lane_count>(weights, whole, sums);
        add<1>(weights + whole, count - whole, sums);
    }

    template <std::size_t Width>
    [[gnu::always_inline]] static void add(const T* weights, std::size_t count, quantization_error_sums* sums)
    {
        const double scale = sums->scale;
        double squared[Width] = {}, absolute[Width] = {}, signal[Width] = {};
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l) {
                const double x = static_cast<double>(weights[i + l]), error = x - std::nearbyint(x / scale) * scale;
                squared[l] += error * error;
                absolute[l] += std::fabs(error);
                signal[l] += x * error;
            }
        for (std::size_t l = 0; l < Width; ++l) {
            sums->squared_error += squared[l];
            sums->absolute_error += absolute[l];
            sums->signal_error += signal[l];
        }
    }
};

// An entry that is not finite counts as 0, which has no error.
template <class T>
void add_quantization_errors(const T* weights, std::size_t count, quantization_error_sums& sums)
{
    T finite[block_elements];
    if (!std::isfinite(dispatch(max_magnitude_kernel<T>{}, weights, count))) {
        std::transform(weights, weights + count, finite, [](T w) { return std::isfinite(w) ? w : T{0}; });
        weights = finite;
    }
    dispatch(quantization_error_kernel<T>{}, weights, count, &sums);
}

// A bin whose single values are asked for, by position in ascending order, and how many weights it holds.
struct wanted_bin
{
    std::size_t bin = 0;
    std::uint64_t count = 0;
};

// Bins are resolved this many at a time: 64 tables of 256 KiB are 16 MiB a thread.
inline constexpr std::size_t resolved_at_once = 64;

// From this many on the floats of a bin are counted in a table by the 16 bits that the bin leaves open; fewer are kept and sorted.
inline constexpr std::uint64_t table_limit = std::uint64_t{1} << 14;

inline constexpr std::uint8_t no_slot = 0xff;

// What one thread has seen of the wanted bins, by slot: their place among those that are resolved together.
template <class T>
struct bin_contents
{
    std::vector<std::vector<std::uint32_t>> tables;  // [slots] counts by low bits, or empty
    std::vector<std::vector<T>> kept;                // [slots] weights where there is no table

    explicit bin_contents(std::span<const wanted_bin> wanted) : tables(wanted.size()), kept(wanted.size())
    {
        if constexpr (sizeof(T) == 4)
            for (std::size_t slot = 0; slot < wanted.size(); ++slot)
                if (wanted[slot].count >= table_limit)
                    tables[slot].resize(bin_magnitudes::table_size);
    }

    // slots: by the 16 bits of a weight. First puts the weights of wanted bins together, without a branch to be mispredicted.
    void collect(const T* weights, std::size_t count, const std::uint8_t* slots)
    {
        T found[block_elements + 1];
        std::size_t found_count = 0;
#pragma GCC unroll 4
        for (std::size_t i = 0; i < count; ++i) {
            const T weight = weights[i];
            found[found_count] = weight;
            found_count += slots[signed_magnitude_bin(weight)] != no_slot;
        }
        for (std::size_t i = 0; i < found_count; ++i) {
            const std::size_t slot = slots[signed_magnitude_bin(found[i])];
            if (tables[slot].empty())
                kept[slot].push_back(found[i]);
            else
                ++tables[slot][static_cast<std::size_t>(std::bit_cast<bits_of_value<T>>(found[i]) & 0xffff)];
        }
    }
};

// The magnitudes of one bin, put together from what the threads have seen.
template <class T>
bin_magnitudes magnitudes_in(std::span<const bin_contents<T>* const> threads, std::size_t slot, std::uint32_t m)
{
    if (!threads.empty() && !threads.front()->tables[slot].empty()) {
        std::vector<std::uint64_t> counts(bin_magnitudes::table_size);
        for (const bin_contents<T>* thread : threads)
            for (std::size_t i = 0; i < counts.size(); ++i)
                counts[i] += thread->tables[slot][i];
        return bin_magnitudes(std::move(counts), m);
    }
    std::vector<double> magnitudes;
    for (const bin_contents<T>* thread : threads)
        for (const T weight : thread->kept[slot])
            magnitudes.push_back(std::fabs(static_cast<double>(weight)));
    std::sort(magnitudes.begin(), magnitudes.end());
    return bin_magnitudes(std::move(magnitudes));
}

// Reads all weights once for every 64 wanted bins, and at least once if `errors` has a scale; adds to its sums.
template <class T>
std::map<std::size_t, bin_magnitudes> second_pass(std::span<const T> weights, std::span<const wanted_bin> wanted,
                                                  quantization_error_sums& errors)
{
    std::map<std::size_t, bin_magnitudes> contents;
    bool errors_wanted = errors.scale > 0;
    while (!wanted.empty() || errors_wanted) {
        const auto resolved = wanted.first(std::min(wanted.size(), resolved_at_once));
        wanted = wanted.subspan(resolved.size());
        std::vector<std::uint8_t> slots(value_bin_count, no_slot);
        for (std::size_t slot = 0; slot < resolved.size(); ++slot)
            slots[signed_magnitude_of_bin(resolved[slot].bin)] = static_cast<std::uint8_t>(slot);

        per_thread<bin_contents<T>> threads([resolved] { return bin_contents<T>(resolved); });
        const auto partials = map_chunks(weights.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
            quantization_error_sums sums{.scale = errors.scale};
            bin_contents<T>* own = resolved.empty() ? nullptr : &threads.local();
            for (; begin < end; begin += block_elements) {
                const std::size_t size = std::min(end - begin, block_elements);
                if (errors_wanted)
                    add_quantization_errors(weights.data() + begin, size, sums);
                if (own)
                    own->collect(weights.data() + begin, size, slots.data());
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

        std::vector<const bin_contents<T>*> seen;  // walking through a per_thread is slow
        for (const bin_contents<T>& thread : threads)
            seen.push_back(&thread);
        std::vector<bin_magnitudes> magnitudes(resolved.size());
        parallel_for(resolved.size(), [&](std::size_t slot) {
            magnitudes[slot] = magnitudes_in<T>(seen, slot, magnitude_of_bin(resolved[slot].bin));
        });
        for (std::size_t slot = 0; slot < resolved.size(); ++slot)
            contents.emplace(resolved[slot].bin, std::move(magnitudes[slot]));
    }
    return contents;
}

}  // namespace weightscope::detail
