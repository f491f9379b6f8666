#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/group_range.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>

namespace weightscope::detail {

// Σ w², the zeros (counted as flushed), and the extremes of each group, as range_kernel gives them.
template <bool Magnitudes>
struct quick_signal_kernel
{
    using range = range_kernel<float, Magnitudes>;
    using keys_of_lanes = typename range::vector;
    static constexpr std::size_t width = simd<float>::width;

    struct signal_sums
    {
        simd_vector<float> last = {};
        simd_vector<double> squares = {};
        simd_vector<std::int32_t> zeros = {}, largest = {};
    };

    [[gnu::always_inline]] static void add(const float* x, keys_of_lanes& keys, signal_sums& sums)
    {
        simd_vector<float> w;
        std::memcpy(&w, x, sizeof w);
        range::read_keys(x, keys);
        sums.last += w * w;
        sums.zeros -= w == 0;
        if constexpr (!Magnitudes) {
            const simd_vector<std::int32_t> m = reinterpret_cast<simd_vector<std::int32_t>>(w) & 0x7fffffff;
            sums.largest = m > sums.largest ? m : sums.largest;
        }
    }

    template <bool Highest>
    [[gnu::always_inline]] static void keep(const keys_of_lanes& a, const keys_of_lanes& b, keys_of_lanes& result)
    {
        if constexpr (Highest)
            result = a > b ? a : b;
        else
            result = a < b ? a : b;
    }

    // The extreme of each of eight vectors, one in every lane: half as many vectors in every step.
    template <bool Highest>
    [[gnu::always_inline]] static void fold_eight(keys_of_lanes* v)
    {
        for (std::size_t k = 0; k < 4; ++k)
            keep<Highest>(__builtin_shufflevector(v[k], v[k + 4], 0, 1, 2, 3, 8, 9, 10, 11), __builtin_shufflevector(v[k], v[k + 4], 4, 5, 6, 7, 12, 13, 14, 15), v[k]);
        for (std::size_t k = 0; k < 2; ++k)
            keep<Highest>(__builtin_shufflevector(v[k], v[k + 2], 0, 1, 8, 9, 4, 5, 12, 13), __builtin_shufflevector(v[k], v[k + 2], 2, 3, 10, 11, 6, 7, 14, 15), v[k]);
        keep<Highest>(__builtin_shufflevector(v[0], v[1], 0, 8, 2, 10, 4, 12, 6, 14), __builtin_shufflevector(v[0], v[1], 1, 9, 3, 11, 5, 13, 7, 15), v[0]);
    }

    // Groups of two vectors, eight of them at a time: their extremes are found together.
    [[gnu::always_inline]] static void add_pairs(const float* x, std::size_t count, float* lowest, float* highest, signal_sums& sums)
    {
        constexpr std::size_t together = 8 * 2 * width;
        for (std::size_t begin = 0; begin < count; begin += together, lowest += width, highest += width) {
            keys_of_lanes low[8], high[8];
            sums.last = simd_vector<float>{};
            for (std::size_t k = 0; k < 8; ++k) {
                keys_of_lanes a, b;
                add(x + begin + k * 2 * width, a, sums);
                add(x + begin + k * 2 * width + width, b, sums);
                keep<false>(a, b, low[k]);
                keep<true>(a, b, high[k]);
            }
            add_lanes(sums.last, sums.squares);
            fold_eight<false>(low);
            fold_eight<true>(high);
            if constexpr (Magnitudes)
                sums.largest = high[0] > sums.largest ? high[0] : sums.largest;
            range::key::apply_inplace(low[0]);
            range::key::apply_inplace(high[0]);
            std::memcpy(lowest, low, sizeof low[0]);
            std::memcpy(highest, high, sizeof high[0]);
        }
    }

    [[gnu::always_inline]] static void add_groups(const float* x, std::size_t count, std::size_t group_size, float* lowest, float* highest, signal_sums& sums)
    {
        keys_of_lanes low = {}, high = {};
        std::size_t group_end = 0;
        for (std::size_t begin = 0; begin < count;) {
            const std::size_t batch_end = count - begin < added_at_once ? count : begin + added_at_once;
            sums.last = simd_vector<float>{};
            while (begin < batch_end) {
                if (begin == group_end) {
                    group_end += group_size;
                    range::read_keys(x + begin, low);
                    high = low;
                }
                const std::size_t end = batch_end < group_end ? batch_end : group_end;
                for (; begin < end; begin += width) {
                    keys_of_lanes keys;
                    add(x + begin, keys, sums);
                    fold_half(low, high, keys, keys);
                }
                if (end == group_end || end == count) {
                    if constexpr (Magnitudes)
                        sums.largest = high > sums.largest ? high : sums.largest;
                    range::fold(low, high, *lowest++, *highest++);
                }
            }
            add_lanes(sums.last, sums.squares);
        }
    }

    [[gnu::always_inline]] void operator()(const float* x, std::size_t count, std::size_t group_size, float* lowest, float* highest, error_sums* result) const
    {
        signal_sums sums;
        if (group_size == 2 * width && count % (8 * group_size) == 0)
            add_pairs(x, count, lowest, highest, sums);
        else
            add_groups(x, count, group_size, lowest, highest, sums);
        result->signal += total_of(sums.squares);
        for (std::size_t l = 0; l < width; ++l) {
            result->flushed_count += static_cast<std::size_t>(sums.zeros[l]);
            const auto m = static_cast<double>(std::bit_cast<float>(sums.largest[l]));
            result->max_magnitude = m >= result->max_magnitude || m != m ? m : result->max_magnitude;
        }
    }
};

}  // namespace weightscope::detail
