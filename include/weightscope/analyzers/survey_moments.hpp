#pragma once
// The first pass of survey_streamed.hpp: power sums about a shift, extremes, census, and how many weights each bin holds.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

struct shifted_sums
{
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, sum_magnitude = 0;  // Σ (w - shift)^k, Σ |w|
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    value_census census;
};

// Smallest and largest weight and magnitude of a block. All four are maxima and minima of integers: the bits of a magnitude order
// like the magnitude, and with those of a negative number turned over they order like the number.
template <class T>
struct block_extremes
{
    using bits = bits_of_value<T>;
    using key = std::make_signed_t<bits>;
    static constexpr int sign_shift = 8 * sizeof(T) - 1;

    key low = std::numeric_limits<key>::max(), high = std::numeric_limits<key>::min();
    bits low_magnitude = ~bits{0}, high_magnitude = 0;

    block_extremes() = default;
    [[gnu::always_inline]] block_extremes(const T* weights, std::size_t count)
    {
        constexpr std::size_t width = simd<key>::width;
        constexpr auto mask = static_cast<key>(magnitude_mask<T>);
        simd_vector<key> lows = low - simd_vector<key>{}, highs = high - simd_vector<key>{};
        simd_vector<key> low_magnitudes = lows, high_magnitudes = {};
        for_each_group<width>(weights, count, [&](const T* group) __attribute__((always_inline)) {
            simd_vector<key> value;
            std::memcpy(&value, group, sizeof value);
            const simd_vector<key> ordered = value ^ ((value >> sign_shift) & mask), magnitude = value & mask;
            lows = ordered < lows ? ordered : lows;
            highs = ordered > highs ? ordered : highs;
            low_magnitudes = magnitude < low_magnitudes ? magnitude : low_magnitudes;
            high_magnitudes = magnitude > high_magnitudes ? magnitude : high_magnitudes;
        });
        for (std::size_t l = 0; l < width; ++l) {
            low = lows[l] < low ? lows[l] : low;
            high = highs[l] > high ? highs[l] : high;
            low_magnitude = static_cast<bits>(low_magnitudes[l]) < low_magnitude ? static_cast<bits>(low_magnitudes[l]) : low_magnitude;
            high_magnitude = static_cast<bits>(high_magnitudes[l]) > high_magnitude ? static_cast<bits>(high_magnitudes[l]) : high_magnitude;
        }
    }

    [[gnu::always_inline]] static double number(key ordered)
    {
        return static_cast<double>(std::bit_cast<T>(ordered ^ ((ordered >> sign_shift) & static_cast<key>(magnitude_mask<T>))));
    }
    [[gnu::always_inline]] bool all_finite() const { return high_magnitude < std::bit_cast<bits>(std::numeric_limits<T>::infinity()); }
    [[gnu::always_inline]] bool all_normal() const { return all_finite() && low_magnitude >= std::bit_cast<bits>(std::numeric_limits<T>::min()); }
    [[gnu::always_inline]] double min() const { return number(low); }
    [[gnu::always_inline]] double max() const { return number(high); }
};

template <class T>
struct extremes_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, block_extremes<T>* extremes) const
    {
        *extremes = block_extremes<T>(weights, count);
    }
};

template <class T>
struct power_sums_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, double shift, shifted_sums* sums) const
    {
        const std::size_t whole = count - count % lane_count;
        add<lane_count>(weights, whole, shift, sums);
        add<1>(weights + whole, count - whole, shift, sums);
    }

    template <std::size_t Width>
    [[gnu::always_inline]] static void add(const T* weights, std::size_t count, double shift, shifted_sums* sums)
    {
        double s1[Width] = {}, s2[Width] = {}, s3[Width] = {}, s4[Width] = {}, magnitude[Width] = {};
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l) {
                const double x = static_cast<double>(weights[i + l]), d = x - shift, d2 = d * d;
                s1[l] += d;
                s2[l] += d2;
                s3[l] += d2 * d;
                s4[l] += d2 * d2;
                magnitude[l] += std::fabs(x);
            }
        for (std::size_t l = 0; l < Width; ++l) {
            sums->s1 += s1[l];
            sums->s2 += s2[l];
            sums->s3 += s3[l];
            sums->s4 += s4[l];
            sums->sum_magnitude += magnitude[l];
        }
    }
};

// Two tables in turn: equal neighbours need not wait for each other's store.
template <class T>
struct bin_count_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, std::uint32_t* even) const
    {
        std::uint32_t* odd = even + value_bin_count;
        std::size_t i = 0;
        for (; i + 2 <= count; i += 2) {
            ++even[signed_magnitude_bin(weights[i])];
            ++odd[signed_magnitude_bin(weights[i + 1])];
        }
        if (i < count)
            ++even[signed_magnitude_bin(weights[i])];
    }
};

// Small loops one after the other over a block in the first-level cache: each has its own lane width, and one loop that did all
// would not vectorise (measured: 2.1 ns a float against 0.4 ns).
template <class T>
void add_block(const T* weights, std::size_t count, T shift, shifted_sums& sums, std::uint32_t* table)
{
    if (table)
        dispatch(bin_count_kernel<T>{}, weights, count, table);
    block_extremes<T> extremes;
    dispatch(extremes_kernel<T>{}, weights, count, &extremes);
    if (extremes.all_normal())
        sums.census.count += count;
    else
        for (std::size_t i = 0; i < count; ++i)
            take_census(sums.census, static_cast<double>(weights[i]), 1, static_cast<double>(std::numeric_limits<T>::min()));

    T finite[block_elements];
    if (!extremes.all_finite()) {  // the shift is a weight: in their place it moves neither the sums about it nor the extremes
        std::transform(weights, weights + count, finite, [shift](T w) { return std::isfinite(w) ? w : shift; });
        const auto replaced = std::count_if(weights, weights + count, [](T w) { return !std::isfinite(w); });
        sums.sum_magnitude -= static_cast<double>(replaced) * std::fabs(static_cast<double>(shift));
        weights = finite;
        dispatch(extremes_kernel<T>{}, weights, count, &extremes);
    }
    sums.min = std::min(sums.min, extremes.min());
    sums.max = std::max(sums.max, extremes.max());
    dispatch(power_sums_kernel<T>{}, weights, count, static_cast<double>(shift), &sums);
}

// A finite weight near the middle of the values, so that sums about it lose no digits; 0 where a sample finds none.
template <class T>
T central_weight(std::span<const T> weights)
{
    constexpr std::size_t sample_size = 1023;
    std::vector<T> sample;
    const std::size_t step = std::max<std::size_t>(1, weights.size() / sample_size);
    for (std::size_t i = step / 2; i < weights.size(); i += step)
        if (std::isfinite(weights[i]))
            sample.push_back(weights[i]);
    if (sample.empty()) {
        const auto finite = std::find_if(weights.begin(), weights.end(), [](T w) { return std::isfinite(w); });
        return finite == weights.end() ? T{0} : *finite;
    }
    const auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
    std::nth_element(sample.begin(), middle, sample.end());
    return *middle;
}

inline value_moments centre(const shifted_sums& sums, double shift)
{
    const auto n = static_cast<double>(sums.census.finite_count());
    if (n == 0)
        return {};
    const double delta = sums.s1 / n;  // mean - shift
    return {.mean = shift + delta,
            .m2 = std::max(0.0, sums.s2 - n * delta * delta),
            .m3 = sums.s3 - 3 * delta * sums.s2 + 2 * n * delta * delta * delta,
            .m4 = std::max(0.0, sums.s4 - 4 * delta * sums.s3 + 6 * delta * delta * sums.s2
                                    - 3 * n * delta * delta * delta * delta),
            .sum_magnitude = sums.sum_magnitude,
            .min = sums.min,
            .max = sums.max};
}

inline void add(value_census& to, const value_census& from)
{
    to.count += from.count;
    to.nan_count += from.nan_count;
    to.positive_infinity_count += from.positive_infinity_count;
    to.negative_infinity_count += from.negative_infinity_count;
    to.subnormal_count += from.subnormal_count;
    to.zero_count += from.zero_count;
    to.negative_zero_count += from.negative_zero_count;
}

struct first_pass_result
{
    value_census census;
    value_moments moments;
    std::vector<std::uint64_t> bin_counts;  // [value_bin_count] finite weights by ascending bin; zeros where not asked for
};

template <class T>
first_pass_result first_pass(std::span<const T> weights, bool with_bins)
{
    const T shift = central_weight(weights);
    per_thread<std::vector<std::uint32_t>> tables([] { return std::vector<std::uint32_t>(2 * value_bin_count); });
    const auto partials = map_chunks(weights.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        shifted_sums sums;
        std::uint32_t* table = with_bins ? tables.local().data() : nullptr;
        for (; begin < end; begin += block_elements)
            add_block(weights.data() + begin, std::min(end - begin, block_elements), shift, sums, table);
        return sums;
    });

    shifted_sums all;
    for (const shifted_sums& part : partials) {
        all.s1 += part.s1;
        all.s2 += part.s2;
        all.s3 += part.s3;
        all.s4 += part.s4;
        all.sum_magnitude += part.sum_magnitude;
        all.min = std::min(all.min, part.min);
        all.max = std::max(all.max, part.max);
        add(all.census, part.census);
    }
    first_pass_result result{.census = all.census,
                             .moments = centre(all, static_cast<double>(shift)),
                             .bin_counts = std::vector<std::uint64_t>(value_bin_count)};
    for (const auto& table : tables)
        for (std::uint32_t i = 0; i < 2 * value_bin_count; ++i) {
            const std::uint32_t bin = i % value_bin_count;
            if ((bin & 0x7fff) < finite_magnitude_bins)
                result.bin_counts[ascending_bin(bin)] += table[i];
        }
    return result;
}

}  // namespace weightscope::detail
