#pragma once
// Floats sorted by what a flipped bit does to them: how many there are of each class, and the sums of their mantissas.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>

namespace weightscope::detail {

inline constexpr std::uint32_t float_mantissa_mask = 0x7fffff, float_magnitude_mask = 0x7fffffff;

// Floats of one class have one exponent field, and for each bit the change of all of them lies in one binade. With the exponent
// changed by d, |change| = |w| (2^d - 1) or |w| (1 - 2^-d), which reach the next binade where mantissa / 2^23 >= 1 / (2^d - 1): d is
// 2, 4, 8, 16 or more. Subnormals are told apart by their leading bit.
inline constexpr std::uint32_t float_class_limits[] = {1, 129, 32897, 559241, 2796203};
inline constexpr std::size_t float_classes_per_exponent = 8, float_subnormal_classes = 256 * float_classes_per_exponent,
                             float_class_count = float_subnormal_classes + 24;

struct float_class_kernel
{
    // No branch and one width of elements, so that it vectorises: a negative number shifted by 31 places is -1.
    [[gnu::always_inline]] void operator()(const std::uint32_t* codes, std::size_t count, std::int32_t* __restrict classes) const
    {
        constexpr auto normal_classes = static_cast<std::int32_t>(float_classes_per_exponent);
        constexpr auto subnormals = static_cast<std::int32_t>(float_subnormal_classes);
        constexpr auto limit = [](std::size_t i) { return static_cast<std::int32_t>(float_class_limits[i]); };
        for (std::size_t i = 0; i < count; ++i) {
            const auto magnitude = static_cast<std::int32_t>(codes[i] & float_magnitude_mask);
            const auto mantissa = magnitude & static_cast<std::int32_t>(float_mantissa_mask);
            const std::int32_t below = ((mantissa - limit(0)) >> 31) + ((mantissa - limit(1)) >> 31) + ((mantissa - limit(2)) >> 31)
                                       + ((mantissa - limit(3)) >> 31) + ((mantissa - limit(4)) >> 31);
            // the exponent of the mantissa as a float is the place of its leading bit
            const std::int32_t leading = (std::bit_cast<std::int32_t>(static_cast<float>(mantissa)) >> 23) - 126;
            const std::int32_t normal = (magnitude >> 23) * normal_classes + 5 + below, subnormal = subnormals + leading;
            const std::int32_t is_subnormal = ((magnitude - (1 << 23)) >> 31) & ((0 - magnitude) >> 31);
            classes[i] = (subnormal & is_subnormal) | (normal & ~is_subnormal);
        }
    }
};

struct float_class
{
    std::uint64_t count = 0, sum = 0, squares_low = 0, squares_high = 0;  // of the mantissas
    std::int64_t most = -1;                                               // largest mantissa
    std::size_t first_of_most = 0, first = 0;

    void merge(const float_class& other)
    {
        if (other.count == 0)
            return;
        first = count == 0 || other.first < first ? other.first : first;
        if (other.most > most || (other.most == most && other.first_of_most < first_of_most)) {
            most = other.most;
            first_of_most = other.first_of_most;
        }
        count += other.count;
        sum += other.sum;
        squares_low += other.squares_low;
        squares_high += other.squares_high + (squares_low < other.squares_low ? 1 : 0);
    }
    double squares() const { return std::ldexp(static_cast<double>(squares_high), 64) + static_cast<double>(squares_low); }
};

// What is updated for each float, in half a cache line.
struct alignas(32) float_class_sums
{
    std::uint64_t count = 0, sum = 0, squares = 0;
    std::int64_t most = -1;
};

// A chunk has at most 2^18 floats, so that the squares of mantissas fit into 64 bits. Neighbours go to tables of their own: the sums of
// one class would wait for each other.
inline void add_float_chunk(std::span<const std::uint32_t> codes, std::size_t begin, std::size_t end, std::vector<float_class>& classes)
{
    static_assert(chunk_elements <= std::size_t{1} << 18);
    constexpr std::size_t tables = 4;
    struct places
    {
        std::size_t first = 0, first_of_most = 0;
    };
    std::vector<float_class_sums> sums(tables * float_class_count);
    std::vector<places> where(tables * float_class_count);
    std::vector<std::int32_t> class_of(block_elements);
    const auto add = [&](std::size_t table, std::size_t i, std::int32_t place) {
        float_class_sums& c = sums[table * float_class_count + static_cast<std::size_t>(place)];
        const std::uint64_t mantissa = codes[i] & float_mantissa_mask;
        ++c.count;
        c.sum += mantissa;
        c.squares += mantissa * mantissa;
        if (static_cast<std::int64_t>(mantissa) > c.most) {
            places& at = where[table * float_class_count + static_cast<std::size_t>(place)];
            at.first = c.most < 0 ? i : at.first;
            at.first_of_most = i;
            c.most = static_cast<std::int64_t>(mantissa);
        }
    };
    for (std::size_t block = begin; block < end; block += block_elements) {
        const std::size_t count = std::min(end - block, block_elements), whole = count - count % tables;
        dispatch(float_class_kernel{}, codes.data() + block, count, class_of.data());
        for (std::size_t i = 0; i < whole; i += tables)
            for (std::size_t table = 0; table < tables; ++table)
                add(table, block + i + table, class_of[i + table]);
        for (std::size_t i = whole; i < count; ++i)
            add(0, block + i, class_of[i]);
    }
    for (std::size_t i = 0; i < sums.size(); ++i)
        if (const float_class_sums& c = sums[i]; c.count > 0)
            classes[i % float_class_count].merge({.count = c.count,
                                                  .sum = c.sum,
                                                  .squares_low = c.squares,
                                                  .most = c.most,
                                                  .first_of_most = where[i].first_of_most,
                                                  .first = where[i].first});
}

inline std::vector<float_class> float_classes_of(std::span<const std::uint32_t> codes)
{
    per_thread<std::vector<float_class>> threads([] { return std::vector<float_class>(float_class_count); });
    parallel_for((codes.size() + chunk_elements - 1) / chunk_elements, [&](std::size_t chunk) {
        const std::size_t begin = chunk * chunk_elements;
        add_float_chunk(codes, begin, std::min(codes.size(), begin + chunk_elements), threads.local());
    });
    std::vector<float_class> classes(float_class_count);
    for (const auto& thread : threads)
        for (std::size_t i = 0; i < classes.size(); ++i)
            classes[i].merge(thread[i]);
    return classes;
}

}  // namespace weightscope::detail
