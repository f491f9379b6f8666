#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/round_kernel.hpp>

namespace weightscope::detail {

// The sums of error_kernel and signal_kernel for floats, where 256 of them at a time are added up in float, 32 in each of eight lanes,
// before they are in double: a third of the work. Errors of up to 8 bits are whole numbers of last places, and some of their sums are
// rounded alike: 4e-9 of the squares were the worst that was seen, 6e-8 where the same few weights come again and again. Weights and scales must lie between 2^-40 and 2^60 in magnitude, so
// that no square leaves the range, and groups must be whole vectors.
inline constexpr std::size_t added_at_once = 256;

// A sum whose last terms are in float.
[[gnu::always_inline]] inline void add_lanes(const simd_vector<float>& last, simd_vector<double>& sum)
{
    float lanes[simd<float>::width];
    std::memcpy(lanes, &last, sizeof lanes);
    simd_vector<double> low, high;
    widen(lanes, low);
    widen(lanes + simd<double>::width, high);
    sum += low + high;
}

[[gnu::always_inline]] inline double total_of(const simd_vector<double>& sum)
{
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// Whether groups of `group_size` weights in a strip of `count` can be added up so.
inline bool has_whole_vectors(std::size_t count, std::size_t group_size)
{
    constexpr std::size_t width = simd<float>::width;
    return count % width == 0 && (group_size % width == 0 || group_size >= count);
}

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

// Brings weights into the second-level cache.
[[gnu::always_inline]] inline void fetch(const float* begin, const float* end)
{
    constexpr std::size_t line = 64 / sizeof(float);
    for (; begin < end; begin += line)
        __builtin_prefetch(begin, 0, 2);
}

// The errors of weights w and what they are decoded to.
struct quick_error_sums
{
    using lanes = simd_vector<float>;
    using counts = simd_vector<std::int32_t>;

    lanes squares = {}, magnitudes = {}, errors = {}, products = {}, largest = {};
    counts zeros = {}, clipped = {};
    simd_vector<double> all_squares = {}, all_magnitudes = {}, all_errors = {}, all_products = {};

    [[gnu::always_inline]] void add(const lanes& w, const lanes& decoded)
    {
        // the comparison keeps `decoded` a number of its own: a product that is only subtracted would not be rounded to float
        zeros -= decoded == 0;
        const lanes e = w - decoded, m = reinterpret_cast<lanes>(reinterpret_cast<counts>(e) & 0x7fffffff);
        squares += e * e;
        magnitudes += m;
        errors += e;
        products += w * e;
        largest = largest > m ? largest : m;
    }

    [[gnu::always_inline]] void flush()
    {
        add_lanes(squares, all_squares);
        add_lanes(magnitudes, all_magnitudes);
        add_lanes(errors, all_errors);
        add_lanes(products, all_products);
        squares = magnitudes = errors = products = lanes{};
    }

    [[gnu::always_inline]] void add_to(error_sums& sums) const
    {
        sums.squared_error += total_of(all_squares);
        sums.absolute_error += total_of(all_magnitudes);
        sums.error += total_of(all_errors);
        sums.signal_error += total_of(all_products);
        for (std::size_t l = 0; l < simd<float>::width; ++l) {
            const auto m = static_cast<double>(largest[l]);
            sums.max_error = m > sums.max_error ? m : sums.max_error;
            sums.flushed_count += static_cast<std::size_t>(zeros[l]);
            sums.clipped_count += static_cast<std::size_t>(clipped[l]);
        }
    }
};

// Rounds a strip and adds up its errors, all in registers. `ahead`, if any, are as many weights that come next: they are fetched
// meanwhile, since the memory would else be idle while these are divided.
template <bool Clamping>
struct quick_error_kernel
{
    using lanes = simd_vector<float>;

    // neighbours [begin, end) of one group
    [[gnu::always_inline]] static void add(const float* x, std::size_t begin, std::size_t end, float scale, float lowest_level,
                                           float highest_level, quick_error_sums& sums)
    {
        constexpr std::size_t width = simd<float>::width;
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
            sums.add(w, level * step);
        }
    }

    [[gnu::always_inline]] void operator()(const strip_code<float>* code, const float* x, std::size_t count, const float* ahead,
                                           error_sums* result) const
    {
        quick_error_sums sums;
        const std::size_t size = code->group_size;
        const float *scale = code->scale, *zero_point = code->zero_point, lowest = code->lowest_code, highest = code->highest_code;
        for (std::size_t begin = 0, g = 0, group_end = size; begin < count;) {
            const std::size_t batch_end = count - begin < added_at_once ? count : begin + added_at_once;
            if (ahead)
                fetch(ahead + begin, ahead + batch_end);
            while (begin < batch_end) {
                const std::size_t end = batch_end < group_end ? batch_end : group_end;
                add(x, begin, end, scale[g], lowest - zero_point[g], highest - zero_point[g], sums);
                begin = end;
                if (begin == group_end) {
                    ++g;
                    group_end += size;
                }
            }
            sums.flush();
        }
        sums.add_to(*result);
    }
};

}  // namespace weightscope::detail
