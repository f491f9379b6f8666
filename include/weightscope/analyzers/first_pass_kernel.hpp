#pragma once
// The inner loop of survey_moments.hpp.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

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

// What a pass over some weights adds up: power sums about a shift, extremes, census. Extremes are kept as integers: the bits of a
// magnitude order like the magnitude, and with those of a negative number turned over they order like the number.
template <class T>
struct first_pass_sums
{
    using bits = bits_of_value<T>;
    using key = std::make_signed_t<bits>;

    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, sum_magnitude = 0;  // Σ (w - shift)^k, Σ |w|
    key low = std::numeric_limits<key>::max(), high = std::numeric_limits<key>::min();
    key low_magnitude = std::numeric_limits<key>::max();
    value_census census;

    [[gnu::always_inline]] static key turned(key value)
    {
        return value ^ ((value >> (8 * sizeof(T) - 1)) & static_cast<key>(magnitude_mask<T>));
    }
    static double number(key turned_value) { return static_cast<double>(std::bit_cast<T>(turned(turned_value))); }
    static bool finite(key turned_value) { return std::isfinite(std::bit_cast<T>(turned(turned_value))); }

    // of all that was seen: finite; neither zero nor subnormal
    bool all_finite() const { return finite(low) && finite(high); }
    bool all_normal() const { return all_finite() && low_magnitude >= std::bit_cast<key>(std::numeric_limits<T>::min()); }

    void add(const first_pass_sums& from)
    {
        s1 += from.s1;
        s2 += from.s2;
        s3 += from.s3;
        s4 += from.s4;
        sum_magnitude += from.sum_magnitude;
        low = std::min(low, from.low);
        high = std::max(high, from.high);
        low_magnitude = std::min(low_magnitude, from.low_magnitude);
        weightscope::detail::add(census, from.census);
    }
};

// One loop that keeps all parts of the processor busy: power sums in the floating-point units, extremes in the integer ones, bin
// counts in the scalar ones (measured: 0.45 ns a float; 0.88 ns in three loops). Two tables of bins in turn, so that equal
// neighbours need not wait for each other's store. The explicit vectors are what keeps the compiler from giving up on the mixture.
template <class T, bool WithBins, std::size_t Bytes = 32>
struct first_pass_kernel
{
    // sums alone take 0.34 instead of 0.43 ns; beside bins nothing is gained, but sums have the same bits with and without them
    using on_avx512 = first_pass_kernel<T, WithBins, 64>;
    using sums_of = first_pass_sums<T>;
    using key = typename sums_of::key;
    template <class Number>
    using vector_of = simd_vector<Number, Bytes>;
    static constexpr std::size_t width = simd<key, Bytes>::width;
    static constexpr std::size_t doubles = simd<double, Bytes>::width;

    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, double shift, std::uint32_t* table, sums_of* sums) const
    {
        constexpr auto mask = static_cast<key>(magnitude_mask<T>);
        const std::size_t whole = count - count % width;
        vector_of<key> lows = sums->low - vector_of<key>{}, highs = sums->high - vector_of<key>{}, low_magnitudes = lows;
        vector_of<double> s1 = {}, s2 = {}, s3 = {}, s4 = {}, sum_magnitude = {};
        for (std::size_t i = 0; i < whole; i += width) {
            if constexpr (WithBins)
                count_bins<width>(weights + i, table);
            vector_of<key> value;
            std::memcpy(&value, weights + i, sizeof value);
            const vector_of<key> turned = value ^ ((value >> (8 * sizeof(T) - 1)) & mask), magnitude = value & mask;
            lows = turned < lows ? turned : lows;
            highs = turned > highs ? turned : highs;
            low_magnitudes = magnitude < low_magnitudes ? magnitude : low_magnitudes;
#pragma GCC unroll 2
            for (std::size_t part = 0; part < width; part += doubles) {
                vector_of<double> x;
                widen(weights + i + part, x);
                const vector_of<double> d = x - shift, square = d * d;
                take_magnitudes(x);
                s1 += d;
                s2 += square;
                s3 += square * d;
                s4 += square * square;
                sum_magnitude += x;
            }
        }
        for (std::size_t l = 0; l < doubles; ++l) {
            sums->s1 += s1[l];
            sums->s2 += s2[l];
            sums->s3 += s3[l];
            sums->s4 += s4[l];
            sums->sum_magnitude += sum_magnitude[l];
        }
        for (std::size_t l = 0; l < width; ++l)
            take_extremes(lows[l], highs[l], low_magnitudes[l], sums);

        for (std::size_t i = whole; i < count; ++i) {
            if constexpr (WithBins)
                count_bins<1>(weights + i, table);
            const auto value = std::bit_cast<key>(weights[i]);
            const double x = static_cast<double>(weights[i]), d = x - shift, square = d * d;
            take_extremes(sums_of::turned(value), sums_of::turned(value), value & mask, sums);
            sums->s1 += d;
            sums->s2 += square;
            sums->s3 += square * d;
            sums->s4 += square * square;
            sums->sum_magnitude += std::fabs(x);
        }
    }

private:
    // Two floats at a time: half the loads.
    template <std::size_t Count>
    [[gnu::always_inline]] static void count_bins(const T* weights, std::uint32_t* table)
    {
        if constexpr (sizeof(T) == 4 && Count % 2 == 0) {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < Count; i += 2) {
                std::uint64_t pair;
                std::memcpy(&pair, weights + i, 8);
                ++table[(pair >> 16) & 0xffff];
                ++table[value_bin_count + (pair >> 48)];
            }
        } else {
#pragma GCC unroll 8
            for (std::size_t i = 0; i < Count; ++i)
                ++table[(i % 2) * value_bin_count + signed_magnitude_bin(weights[i])];
        }
    }
    [[gnu::always_inline]] static void take_extremes(key low, key high, key low_magnitude, sums_of* sums)
    {
        sums->low = low < sums->low ? low : sums->low;
        sums->high = high > sums->high ? high : sums->high;
        sums->low_magnitude = low_magnitude < sums->low_magnitude ? low_magnitude : sums->low_magnitude;
    }
};

}  // namespace weightscope::detail
