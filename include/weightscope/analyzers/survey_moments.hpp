#pragma once
// The first pass of survey_streamed.hpp: power sums about a shift, extremes, census, and how many weights each bin holds.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/first_pass_kernel.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

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
