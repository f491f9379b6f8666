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
template <class T, bool WithBins>
struct first_pass_kernel
{
    using sums_of = first_pass_sums<T>;
    using key = typename sums_of::key;
    static constexpr std::size_t width = simd<key>::width;
    static constexpr std::size_t doubles = simd<double>::width;

    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, double shift, std::uint32_t* table, sums_of* sums) const
    {
        constexpr auto mask = static_cast<key>(magnitude_mask<T>);
        const std::size_t whole = count - count % width;
        simd_vector<key> lows = sums->low - simd_vector<key>{}, highs = sums->high - simd_vector<key>{}, low_magnitudes = lows;
        simd_vector<double> s1 = {}, s2 = {}, s3 = {}, s4 = {}, sum_magnitude = {};
        for (std::size_t i = 0; i < whole; i += width) {
            if constexpr (WithBins)
                count_bins<width>(weights + i, table);
            simd_vector<key> value;
            std::memcpy(&value, weights + i, sizeof value);
            const simd_vector<key> turned = value ^ ((value >> (8 * sizeof(T) - 1)) & mask), magnitude = value & mask;
            lows = turned < lows ? turned : lows;
            highs = turned > highs ? turned : highs;
            low_magnitudes = magnitude < low_magnitudes ? magnitude : low_magnitudes;
#pragma GCC unroll 2
            for (std::size_t part = 0; part < width; part += doubles) {
                simd_vector<double> x;
                widen(weights + i + part, x);
                const simd_vector<double> d = x - shift, square = d * d;
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
    template <std::size_t Count>
    // two floats at a time: half the loads
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

// A block at a time: one that holds NaN or Inf is taken again with the shift, which is a weight, in their place. That moves
// neither the sums about it nor the extremes.
template <class T, bool WithBins>
void add_block(const T* weights, std::size_t count, T shift, first_pass_sums<T>& sums, std::uint32_t* table)
{
    first_pass_sums<T> block;
    dispatch(first_pass_kernel<T, WithBins>{}, weights, count, static_cast<double>(shift), table, &block);
    value_census census{.count = count};
    if (!block.all_normal()) {
        census.count = 0;
        for (std::size_t i = 0; i < count; ++i)
            take_census(census, static_cast<double>(weights[i]), 1, static_cast<double>(std::numeric_limits<T>::min()));
    }
    if (!block.all_finite()) {
        T finite[block_elements];
        std::transform(weights, weights + count, finite, [shift](T w) { return std::isfinite(w) ? w : shift; });
        block = {};
        block.sum_magnitude = -static_cast<double>(count - census.finite_count()) * std::fabs(static_cast<double>(shift));
        dispatch(first_pass_kernel<T, false>{}, static_cast<const T*>(finite), count, static_cast<double>(shift), table, &block);
    }
    block.census = census;
    sums.add(block);
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

template <class T>
value_moments centre(const first_pass_sums<T>& sums, double shift)
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
            .min = sums.number(sums.low),
            .max = sums.number(sums.high)};
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
        first_pass_sums<T> sums;
        std::uint32_t* table = with_bins ? tables.local().data() : nullptr;
        for (; begin < end; begin += block_elements) {
            const T* block = weights.data() + begin;
            const std::size_t size = std::min(end - begin, block_elements);
            with_bins ? add_block<T, true>(block, size, shift, sums, table) : add_block<T, false>(block, size, shift, sums, table);
        }
        return sums;
    });

    first_pass_sums<T> all;
    for (const first_pass_sums<T>& part : partials)
        all.add(part);
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
