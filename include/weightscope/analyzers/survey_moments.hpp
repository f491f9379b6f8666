#pragma once
// The first pass of survey_streamed.hpp: power sums about a shift, extremes, census, and how many weights each bin holds.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

struct shifted_sums
{
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, sum_magnitude = 0;  // Σ (w - shift)^k, Σ |w|
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    value_census census;
};

// Sums over one block that lies in the first-level cache. A weight that is not finite is replaced by the shift, which is itself
// a weight: it moves neither the sums nor the extremes. Returns how many weights were not finite, zero or subnormal.
template <class T>
struct block_sums
{
    static constexpr std::size_t width = lane_count;
    static constexpr auto exponent_mask = std::bit_cast<bits_of_value<T>>(std::numeric_limits<T>::infinity());

    double s1[width] = {}, s2[width] = {}, s3[width] = {}, s4[width] = {}, magnitude[width] = {};
    T low[width], high[width];
    bits_of_value<T> special[width] = {};

    [[gnu::always_inline]] explicit block_sums(T shift)
    {
        for (std::size_t l = 0; l < width; ++l)
            low[l] = high[l] = shift;
    }

    [[gnu::always_inline]] void add(T weight, T shift, std::size_t l)
    {
        const auto exponent = std::bit_cast<bits_of_value<T>>(weight) & exponent_mask;
        const bool finite = exponent != exponent_mask;
        const T w = finite ? weight : shift;
        const double x = static_cast<double>(w), d = x - static_cast<double>(shift), d2 = d * d;
        s1[l] += d;
        s2[l] += d2;
        s3[l] += d2 * d;
        s4[l] += d2 * d2;
        magnitude[l] += finite ? std::fabs(x) : 0.0;
        low[l] = w < low[l] ? w : low[l];
        high[l] = w > high[l] ? w : high[l];
        special[l] += (exponent == 0) | !finite;
    }

    [[gnu::always_inline]] std::size_t add_to(shifted_sums& sums) const
    {
        std::size_t specials = 0;
        for (std::size_t l = 0; l < width; ++l) {
            sums.s1 += s1[l];
            sums.s2 += s2[l];
            sums.s3 += s3[l];
            sums.s4 += s4[l];
            sums.sum_magnitude += magnitude[l];
            sums.min = std::min(sums.min, static_cast<double>(low[l]));
            sums.max = std::max(sums.max, static_cast<double>(high[l]));
            specials += special[l];
        }
        return specials;
    }
};

template <class T>
struct first_pass_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, T shift, shifted_sums* sums,
                                           std::uint32_t* table) const
    {
        constexpr std::size_t width = block_sums<T>::width;
        for (std::size_t begin = 0; begin < count; begin += block_elements) {
            const T* block = weights + begin;
            const std::size_t size = count - begin < block_elements ? count - begin : block_elements;
            block_sums<T> partial(shift);
            std::size_t i = 0;
            for (; i + width <= size; i += width)
                for (std::size_t l = 0; l < width; ++l)
                    partial.add(block[i + l], shift, l);
            for (; i < size; ++i)
                partial.add(block[i], shift, 0);
            if (partial.add_to(*sums) == 0)
                sums->census.count += size;
            else
                for (i = 0; i < size; ++i)
                    take_census(sums->census, static_cast<double>(block[i]), 1, static_cast<double>(std::numeric_limits<T>::min()));

            if (!table)
                continue;
            std::uint32_t* odd = table + value_bin_count;  // two tables: equal neighbours need not wait for each other's store
            for (i = 0; i + 2 <= size; i += 2) {
                ++table[signed_magnitude_bin(block[i])];
                ++odd[signed_magnitude_bin(block[i + 1])];
            }
            if (i < size)
                ++table[signed_magnitude_bin(block[i])];
        }
    }
};

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
        dispatch(first_pass_kernel<T>{}, weights.data() + begin, end - begin, shift, &sums,
                 with_bins ? tables.local().data() : nullptr);
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
