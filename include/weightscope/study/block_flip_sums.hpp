#pragma once
// The flips of all bits of numbers of one kind at once, each bit in a lane of its own.

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/dispatch.hpp>

namespace weightscope::detail {

// Some numbers of one kind. A flip changes a weight by |new - old| · factor, the largest of the weights that depend on the number.
struct block_numbers
{
    const double* values = nullptr;  // by code; null for floats of 32 bits
    std::size_t size = 0;
    std::vector<std::uint32_t> codes = {};
    std::vector<double> factors = {};
    std::vector<std::uint8_t> with_zero = {};  // a weight has the factor 0, which makes NaN of infinity
    std::vector<double> units = {};            // factor times the change that a flip of the lowest bit makes

    void reserve(std::size_t most)
    {
        codes.resize(most);
        factors.resize(most);
        with_zero.resize(most);
        units.resize(most);
    }
    void add(std::uint32_t code, double unit, double factor, bool any_zero)
    {
        codes[size] = code;
        units[size] = unit * factor;
        factors[size] = factor;
        with_zero[size++] = any_zero ? 1 : 0;
    }
};

// What has been added up of some bits, each in a lane of its own, from bit `first` on.
struct block_flip_lanes
{
    static constexpr std::size_t most_bits = 32, binades = 512;
    // Exponent fields of doubles. Changes lie between 2^-220 and 2^180; 0 is before all of them and infinity behind.
    static constexpr std::int64_t no_exponent = 767, last_binade = binades - 1;

    std::array<double, most_bits> sum{}, squares{}, most{}, place{}, above_max{}, above_large{};
    std::array<std::uint64_t, most_bits> nan{}, infinite{};
    std::vector<std::uint32_t> counts = {};  // [bit][binade]
};

// What has been added up of bits whose flips are one unit of each number times a power of two: digits of whole numbers, and those of the
// mantissa of a float, whose unit is that of its exponent.
struct block_unit_sums
{
    double sum = 0, squares = 0, most = 0;
    std::ptrdiff_t place = -1;
    std::array<std::uint32_t, block_flip_lanes::binades> counts{};
    // by the first bit whose flip is above a limit
    std::array<std::uint32_t, block_flip_lanes::most_bits + 1> above_max{}, above_large{};

    static std::size_t first_above(double limit, double unit, std::int64_t bits)
    {
        const std::int64_t difference = std::bit_cast<std::int64_t>(limit) - std::bit_cast<std::int64_t>(unit), bit = (difference >> 52) + 1;
        return static_cast<std::size_t>(bit < 0 ? 0 : bit > bits ? bits : bit);
    }

    void add(std::span<const double> units, std::int64_t bits, const bit_limits& limits)
    {
        place = -1;
        for (std::size_t n = 0; n < units.size(); ++n) {
            const double unit = units[n];
            sum += unit;
            squares += unit * unit;
            if (unit > most) {
                most = unit;
                place = static_cast<std::ptrdiff_t>(n);
            }
            const auto binade = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(unit) >> 52) - block_flip_lanes::no_exponent;
            ++counts[static_cast<std::size_t>(binade < 0 ? 0 : binade)];
            if (binade < 0)
                continue;
            ++above_max[first_above(limits.max_magnitude, unit, bits)];
            ++above_large[first_above(limits.large, unit, bits)];
        }
    }

    // The sums of one bit; `weights` of each number count.
    bit_position_sums position(std::size_t bit, std::uint64_t weights, std::size_t index, const bit_limits& limits) const
    {
        bit_position_sums result(limits, bit_binades(-220, 180));
        result.add_outcome(flip_outcome::unchanged, counts[0] * weights);
        std::uint64_t finite = 0, max_count = 0, large_count = 0;
        for (std::size_t binade = 1; binade < counts.size(); ++binade)
            if (counts[binade] > 0) {
                finite += counts[binade];
                const int exponent = static_cast<int>(binade + bit) + static_cast<int>(block_flip_lanes::no_exponent) - 1023;
                result.add_binade(std::ldexp(1.0, exponent), counts[binade] * weights);
            }
        for (std::size_t first = 0; first <= bit; ++first) {
            max_count += above_max[first];
            large_count += above_large[first];
        }
        const double scale = std::ldexp(1.0, static_cast<int>(bit)), times = static_cast<double>(weights) * scale;
        result.add_outcome(flip_outcome::finite, finite * weights);
        result.add_sums(sum * times, squares * times * scale);
        result.add_above(max_count * weights, large_count * weights);
        if (finite > 0)
            result.take_max(most * scale, 0, most * scale, index);
        return result;
    }
};

template <std::size_t First, std::size_t Bits, bool Floats = false>
struct block_flip_kernel
{
    // What rounds to a larger float than there is.
    static constexpr double beyond = 0x1.ffffffp127;

    [[gnu::always_inline]] static double value_of(const double* values, std::uint32_t code)
    {
        if constexpr (Floats)
            return static_cast<double>(std::bit_cast<float>(code));
        else
            return values[code];
    }

    // `place` of the lanes: the first of these numbers with a larger change than all before, -1 where there is none.
    [[gnu::always_inline]] void operator()(const block_numbers* numbers, bit_limits limits, block_flip_lanes* lanes) const
    {
        double sum[Bits], squares[Bits], most[Bits], place[Bits], above_max[Bits], above_large[Bits];
        for (std::size_t bit = 0; bit < Bits; ++bit) {
            sum[bit] = lanes->sum[bit];
            squares[bit] = lanes->squares[bit];
            most[bit] = lanes->most[bit];
            place[bit] = -1;
            above_max[bit] = lanes->above_max[bit];
            above_large[bit] = lanes->above_large[bit];
        }
        std::uint32_t* counts = lanes->counts.data();
        const std::size_t size = numbers->size;
        const double *values = numbers->values, *factors = numbers->factors.data();
        const std::uint32_t* codes = numbers->codes.data();
        for (std::size_t n = 0; n < size; ++n) {
            const std::uint32_t code = codes[n];
            const double factor = factors[n], old_value = value_of(values, code), number = static_cast<double>(n);
            double flipped[Bits];
            std::int64_t binade[Bits];
            for (std::size_t bit = 0; bit < Bits; ++bit)
                flipped[bit] = value_of(values, code ^ std::uint32_t{1} << (First + bit));
            for (std::size_t bit = 0; bit < Bits; ++bit) {
                const double size_of_new = std::fabs(flipped[bit]) * factor, change = std::fabs(flipped[bit] - old_value) * factor;
                const double used = size_of_new < beyond ? change : 0.0, counted = size_of_new < beyond ? change : std::numeric_limits<double>::infinity();
                sum[bit] += used;
                squares[bit] += used * used;
                above_max[bit] += used > limits.max_magnitude ? 1.0 : 0.0;
                above_large[bit] += used > limits.large ? 1.0 : 0.0;
                place[bit] = used > most[bit] ? number : place[bit];
                most[bit] = used > most[bit] ? used : most[bit];
                const auto exponent = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(counted) >> 52);
                const std::int64_t above = exponent > block_flip_lanes::no_exponent ? exponent - block_flip_lanes::no_exponent : 0;
                binade[bit] = above < block_flip_lanes::last_binade ? above : block_flip_lanes::last_binade;
            }
            for (std::size_t bit = 0; bit < Bits; ++bit) {
                ++counts[bit * block_flip_lanes::binades + static_cast<std::size_t>(binade[bit])];
                if (binade[bit] == block_flip_lanes::last_binade) {
                    const bool nan = std::isnan(flipped[bit]) || (std::isinf(flipped[bit]) && numbers->with_zero[n] != 0);
                    ++(nan ? lanes->nan[bit] : lanes->infinite[bit]);
                }
            }
        }
        for (std::size_t bit = 0; bit < Bits; ++bit) {
            lanes->sum[bit] = sum[bit];
            lanes->squares[bit] = squares[bit];
            lanes->most[bit] = most[bit];
            lanes->place[bit] = place[bit];
            lanes->above_max[bit] = above_max[bit];
            lanes->above_large[bit] = above_large[bit];
        }
    }
};

// The bits of a number that have lanes: those from `first` on.
inline void add_block_numbers(unsigned first, unsigned bits, const block_numbers& numbers, const bit_limits& limits, block_flip_lanes& lanes)
{
    const auto run = [&](auto kernel) { dispatch(kernel, &numbers, limits, &lanes); };
    if (first == 10)  // half floats
        run(block_flip_kernel<10, 6>{});
    else if (bits == 4)
        run(block_flip_kernel<0, 4>{});
    else if (bits == 8)
        run(block_flip_kernel<0, 8>{});
    else
        run(block_flip_kernel<0, 32, true>{});
}

// The sums of the bit of a lane.
inline bit_position_sums block_position_sums(const block_flip_lanes& lanes, std::size_t bit, std::size_t index, const bit_limits& limits)
{
    bit_position_sums result(limits, bit_binades(-220, 180));
    const std::uint32_t* counts = lanes.counts.data() + bit * block_flip_lanes::binades;
    result.add_outcome(flip_outcome::unchanged, counts[0]);
    result.add_outcome(flip_outcome::nan, lanes.nan[bit]);
    result.add_outcome(flip_outcome::infinite, lanes.infinite[bit]);
    std::uint64_t finite = 0;
    for (std::size_t binade = 1; binade + 1 < block_flip_lanes::binades; ++binade)
        if (counts[binade] > 0) {
            finite += counts[binade];
            result.add_binade(std::ldexp(1.0, static_cast<int>(binade) + static_cast<int>(block_flip_lanes::no_exponent) - 1023), counts[binade]);
        }
    result.add_outcome(flip_outcome::finite, finite);
    result.add_sums(lanes.sum[bit], lanes.squares[bit]);
    result.add_above(static_cast<std::uint64_t>(lanes.above_max[bit]), static_cast<std::uint64_t>(lanes.above_large[bit]));
    if (finite > 0)
        result.take_max(lanes.most[bit], 0, lanes.most[bit], index);
    return result;
}

}  // namespace weightscope::detail
