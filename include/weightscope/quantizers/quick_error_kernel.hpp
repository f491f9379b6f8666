#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/group_range.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/round_kernel.hpp>

namespace weightscope::detail {

// The sums of error_kernel and signal_kernel for floats, where 256 of them at a time are added up in float, 32 in each of eight lanes,
// before they are in double: a third of the work. Errors of up to 8 bits are whole numbers of last places, and some of their sums are
// rounded alike: 4e-9 of the squares were the worst that was seen. Weights and scales must lie between 2^-40 and 2^60 in magnitude, so
// that no square leaves the range, and groups must be whole vectors.
inline constexpr std::size_t added_at_once = 256;

// A sum whose last terms are in float.
struct quick_sum
{
    simd_vector<float> last = {};
    simd_vector<double> before = {};

    [[gnu::always_inline]] void flush()
    {
        float lanes[8];
        std::memcpy(lanes, &last, sizeof lanes);
        simd_vector<double> low, high;
        widen(lanes, low);
        widen(lanes + 4, high);
        before += low + high;
        last = simd_vector<float>{};
    }
    [[gnu::always_inline]] double total() const { return (before[0] + before[2]) + (before[1] + before[3]); }
};

// Whether groups of `group_size` weights in a strip of `count` can be added up so.
inline bool has_whole_vectors(std::size_t count, std::size_t group_size)
{
    constexpr std::size_t width = simd<float>::width;
    return count % width == 0 && (group_size % width == 0 || group_size >= count);
}

// Σ w², the zeros (counted as flushed), and the extremes of each group, as range_kernel gives them.
template <bool Magnitudes>
struct quick_signal_kernel
{
    [[gnu::always_inline]] void operator()(const float* x, std::size_t count, std::size_t group_size, float* lowest, float* highest,
                                           error_sums* sums) const
    {
        using range = range_kernel<float, Magnitudes>;
        constexpr std::size_t width = simd<float>::width;
        simd_vector<std::int32_t> zeros = {}, largest = {};
        quick_sum squares;
        std::size_t added = 0;  // in float
        for (std::size_t group = 0; group < count; group += group_size, ++lowest, ++highest) {
            const std::size_t group_end = count - group < group_size ? count : group + group_size;
            typename range::vector low, high;
            range::read_keys(x + group, low);
            high = low;
            for (std::size_t begin = group; begin < group_end; begin += added_at_once) {
                const std::size_t end = group_end - begin < added_at_once ? group_end : begin + added_at_once;
                for (std::size_t i = begin; i < end; i += width) {
                    simd_vector<float> w;
                    typename range::vector keys;
                    std::memcpy(&w, x + i, sizeof w);
                    range::read_keys(x + i, keys);
                    fold_half(low, high, keys, keys);
                    squares.last += w * w;
                    zeros -= w == 0;
                    const simd_vector<std::int32_t> m = reinterpret_cast<simd_vector<std::int32_t>>(w) & 0x7fffffff;
                    largest = m > largest ? m : largest;
                }
                if ((added += end - begin) >= added_at_once) {
                    squares.flush();
                    added = 0;
                }
            }
            range::fold(low, high, *lowest, *highest);
        }
        squares.flush();
        sums->signal += squares.total();
        for (std::size_t l = 0; l < width; ++l) {
            sums->flushed_count += static_cast<std::size_t>(zeros[l]);
            const auto m = static_cast<double>(std::bit_cast<float>(largest[l]));
            sums->max_magnitude = m >= sums->max_magnitude || m != m ? m : sums->max_magnitude;
        }
    }
};

// What the codes of a strip ask of quick_error_kernel.
struct quick_needs
{
    bool more_range = false;  // some scale is too large or too small for float sums
    bool clamping = false;    // some weight may lie beyond the last codes
};

struct quick_needs_kernel
{
    [[gnu::always_inline]] quick_needs operator()(const strip_code<float>* code, std::size_t groups, float smallest, float largest) const
    {
        std::int32_t outside = 0, beyond = 0;
        const float *low = code->low, *high = code->high, *scale = code->scale, *zero_point = code->zero_point;
        const float first = code->lowest_code - 0.49F, last = code->highest_code + 0.49F;  // a little early, for the rounding of the product
        for (std::size_t g = 0; g < groups; ++g) {
            outside += (scale[g] < smallest) | (scale[g] > largest);
            const float lowest = code->symmetric ? -high[g] : low[g];
            beyond += (high[g] > (last - zero_point[g]) * scale[g]) | (lowest < (first - zero_point[g]) * scale[g]);
        }
        return {.more_range = outside != 0, .clamping = beyond != 0};
    }
};

// Rounds a strip and adds up its errors, all in registers. `ahead`, if any, are as many weights that come next: they are fetched
// meanwhile, since the memory would else be idle while these are divided.
template <bool Clamping>
struct quick_error_kernel
{
    using lanes = simd_vector<float>;
    using counts = simd_vector<std::int32_t>;

    struct lane_sums
    {
        quick_sum squares, magnitudes, errors, products;
        lanes largest = {};
        counts zeros = {}, clipped = {};

        [[gnu::always_inline]] void flush()
        {
            squares.flush();
            magnitudes.flush();
            errors.flush();
            products.flush();
        }
    };

    // neighbours [begin, end) of one group
    [[gnu::always_inline]] static void add(const float* x, const float* ahead, std::size_t begin, std::size_t end, float scale, float lowest_level,
                                           float highest_level, lane_sums& sums)
    {
        constexpr std::size_t width = simd<float>::width, line = 64 / sizeof(float);
        const lanes step = lanes{} + scale, lowest = lanes{} + lowest_level, highest = lanes{} + highest_level;
        for (std::size_t i = begin; i < end; i += width) {
            lanes w;
            std::memcpy(&w, x + i, sizeof w);
            lanes level = w / step;
            for (std::size_t l = 0; l < width; ++l)
                level[l] = __builtin_nearbyintf(level[l]);
            if constexpr (Clamping) {
                const lanes free = level;
                level = level < lowest ? lowest : level;
                level = level > highest ? highest : level;
                sums.clipped -= level != free;
            }
            // the comparison keeps `decoded` a number of its own: a product that is only subtracted would not be rounded to float
            const lanes decoded = level * step;
            sums.zeros -= decoded == 0;
            const lanes e = w - decoded, m = reinterpret_cast<lanes>(reinterpret_cast<counts>(e) & 0x7fffffff);
            sums.squares.last += e * e;
            sums.magnitudes.last += m;
            sums.errors.last += e;
            sums.products.last += w * e;
            sums.largest = sums.largest > m ? sums.largest : m;
            if (ahead && i % line == 0)
                __builtin_prefetch(ahead + i, 0, 2);
        }
    }

    [[gnu::always_inline]] void operator()(const strip_code<float>* code, const float* x, std::size_t count, const float* ahead,
                                           error_sums* result) const
    {
        lane_sums sums;
        const std::size_t size = code->group_size;
        std::size_t added = 0;  // in float
        for (std::size_t g = 0, group = 0; group < count; ++g, group += size) {
            const std::size_t group_end = count - group < size ? count : group + size;
            const float scale = code->scale[g], lowest = code->lowest_code - code->zero_point[g], highest = code->highest_code - code->zero_point[g];
            for (std::size_t begin = group; begin < group_end; begin += added_at_once) {
                const std::size_t end = group_end - begin < added_at_once ? group_end : begin + added_at_once;
                add(x, ahead, begin, end, scale, lowest, highest, sums);
                if ((added += end - begin) >= added_at_once) {
                    sums.flush();
                    added = 0;
                }
            }
        }
        sums.flush();
        result->squared_error += sums.squares.total();
        result->absolute_error += sums.magnitudes.total();
        result->error += sums.errors.total();
        result->signal_error += sums.products.total();
        for (std::size_t l = 0; l < simd<float>::width; ++l) {
            const auto m = static_cast<double>(sums.largest[l]);
            result->max_error = m > result->max_error ? m : result->max_error;
            result->flushed_count += static_cast<std::size_t>(sums.zeros[l]);
            result->clipped_count += static_cast<std::size_t>(sums.clipped[l]);
        }
    }
};

}  // namespace weightscope::detail
