#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_scale.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// How to round to a grid, in units of the scale.
struct grid_rounding
{
    float lowest = 0, highest = 0;  // levels of a zero point of 0
    float offset = 0;               // half_up: what makes levels start from 0
    float largest = 0;              // of a float grid
    float beyond = 0;               // magnitudes from here on are rounded beyond it
    std::int32_t mantissa_bits = 0, lowest_exponent = 0;  // the exponent as a float has it
    rounding_mode mode = rounding_mode::half_even;
    bool zero_first = false;
};

inline grid_rounding rounding_of(const scheme& options)
{
    const grid_format& format = format_of(options.grid);
    grid_rounding r{.lowest = static_cast<float>(options.lowest_code()),
                    .highest = static_cast<float>(options.highest_code()),
                    .largest = format.largest,
                    .mantissa_bits = format.mantissa_bits,
                    .lowest_exponent = format.lowest_exponent + 127,
                    .mode = options.rounding,
                    .zero_first = options.rules.zero_first};
    if (options.rules.minimum) {
        r.highest -= r.lowest;
        r.lowest = 0;
    }
    r.offset = -r.lowest;
    const float middle = r.largest + std::ldexp(0.5F, format.highest_exponent - format.mantissa_bits);
    const bool odd = std::fmod(std::ldexp(r.largest, format.mantissa_bits - format.highest_exponent), 2.0F) != 0;
    const bool stays = options.rounding == rounding_mode::half_to_zero || (options.rounding == rounding_mode::half_even && !odd);
    r.beyond = stays ? std::nextafter(middle, 2 * middle) : middle;
    return r;
}

enum class grid_kind
{
    integer,
    floating,
    table,
};

inline grid_kind kind_of_grid(element_grid grid)
{
    return grid == element_grid::integer ? grid_kind::integer : grid == element_grid::nf4 ? grid_kind::table : grid_kind::floating;
}

// The levels of weights, or with `scale` and `added` what they stand for.
template <grid_kind Kind, bool HalfEven, bool Divides>
struct grid_round_kernel
{
    using lanes = simd_vector<float>;
    using whole = simd_vector<std::int32_t>;
    static constexpr std::size_t width = simd<float>::width;

    [[gnu::always_inline]] static void to_integers(lanes& t)
    {
        for (std::size_t l = 0; l < width; ++l)
            t[l] = __builtin_nearbyintf(t[l]);
    }

    // Halves to where they belong; `t` becomes whole numbers.
    [[gnu::always_inline]] static void round(const grid_rounding& r, lanes& t)
    {
        const lanes before = t;
        to_integers(t);
        if constexpr (!HalfEven) {
            const lanes rest = before - t;  // exact
            if (r.mode == rounding_mode::half_away) {
                t = ((rest == 0.5F) & (before > 0)) ? t + 1 : t;
                t = ((rest == -0.5F) & (before < 0)) ? t - 1 : t;
            } else if (r.mode == rounding_mode::half_to_zero) {
                t = ((rest == -0.5F) & (before > 0)) ? t - 1 : t;
                t = ((rest == 0.5F) & (before < 0)) ? t + 1 : t;
            } else {  // down
                t = rest < 0 ? t - 1 : t;
            }
        }
    }

    [[gnu::always_inline]] static void to_level(const grid_rounding& r, float zero, lanes& t, whole& clipped)
    {
        if constexpr (Kind == grid_kind::integer) {
            // 0 times the infinite reciprocal of a subnormal scale; the comparison also keeps the product from being fused with a sum
            t = t == t ? t : lanes{};
            if (!HalfEven && r.mode == rounding_mode::half_up) {
                t = t + (r.offset + 0.5F);
                round(r, t);
                t = t - r.offset;
            } else {
                const float first = r.zero_first ? zero : 0;
                t = t + first;
                round(r, t);
                t = t - first;
            }
            const float lowest = r.lowest - zero, highest = r.highest - zero;
            const lanes free = t;
            t = t < lowest ? lanes{} + lowest : t;
            t = t > highest ? lanes{} + highest : t;
            clipped -= t != free;
        } else if constexpr (Kind == grid_kind::floating) {
            const whole bits = reinterpret_cast<whole>(t), sign = bits & std::int32_t{INT32_MIN};
            lanes a = reinterpret_cast<lanes>(bits & 0x7fffffff);
            clipped -= a >= r.beyond;
            a = a > r.largest ? lanes{} + r.largest : a;
            whole exponent = reinterpret_cast<whole>(a) >> 23;
            exponent = exponent > r.lowest_exponent ? exponent : whole{} + r.lowest_exponent;
            // to whole numbers of the last place and back, by powers of two
            a = a * reinterpret_cast<lanes>((254 + r.mantissa_bits - exponent) << 23);
            round(r, a);
            a = a * reinterpret_cast<lanes>((exponent - r.mantissa_bits) << 23);
            t = reinterpret_cast<lanes>(reinterpret_cast<whole>(a) | sign);
        } else {
            lanes value = lanes{} + nf4_values[0];
            for (std::size_t i = 0; i < nf4_thresholds.size(); ++i)
                value = t > nf4_thresholds[i] ? lanes{} + nf4_values[i + 1] : value;
            t = value;
        }
    }

    [[gnu::always_inline]] static void add_lanes(const grid_rounding& r, const grid_groups& groups, std::size_t g, const float* scale, const float* added,
                                                 const float* x, float* out, whole& clipped)
    {
        lanes t;
        std::memcpy(&t, x, sizeof t);
        t = t - groups.subtracted[g];
        if constexpr (Divides)
            t = t / groups.divisor[g];
        else
            t = t * groups.multiplier[g];
        to_level(r, groups.zero[g], t, clipped);
        t = t * scale[g] + added[g];
        std::memcpy(out, &t, sizeof t);
    }

    // `count` neighbours of which the first begins group `g`; returns how many are beyond the grid
    [[gnu::always_inline]] std::size_t operator()(const grid_rounding* rounding, const grid_groups* groups, const float* scale, const float* added,
                                                  std::size_t g, const float* x, std::size_t count, std::size_t group_size, float* out) const
    {
        const grid_rounding r = *rounding;
        whole clipped = {};
        std::size_t more = 0;
        for (std::size_t begin = 0; begin < count; begin += group_size, ++g) {
            const std::size_t end = count - begin < group_size ? count : begin + group_size;
            std::size_t i = begin;
            for (; i + width <= end; i += width)
                add_lanes(r, *groups, g, scale, added, x + i, out + i, clipped);
            if (i == end)
                continue;
            float rest[width] = {}, result[width];
            whole clipped_rest = {};
            for (std::size_t l = 0; i + l < end; ++l)
                rest[l] = x[i + l];
            add_lanes(r, *groups, g, scale, added, rest, result, clipped_rest);
            for (std::size_t l = 0; i + l < end; ++l) {
                out[i + l] = result[l];
                more += static_cast<std::size_t>(clipped_rest[l]);
            }
        }
        for (std::size_t l = 0; l < width; ++l)
            more += static_cast<std::size_t>(clipped[l]);
        return more;
    }
};

// The sums of error_kernel for floats, of which 256 at a time are added up in float: for weights and errors whose squares are floats.
struct quick_difference_kernel
{
    using lanes = simd_vector<float>;
    using counts = simd_vector<std::int32_t>;

    // `count` is whole vectors
    [[gnu::always_inline]] void operator()(const float* x, const float* decoded, std::size_t count, error_sums* result) const
    {
        constexpr std::size_t width = simd<float>::width;
        quick_sum squares, magnitudes, errors, products;
        lanes largest = {};
        counts zeros = {};
        for (std::size_t begin = 0; begin < count; begin += added_at_once) {
            const std::size_t end = count - begin < added_at_once ? count : begin + added_at_once;
            for (std::size_t i = begin; i < end; i += width) {
                lanes w, d;
                std::memcpy(&w, x + i, sizeof w);
                std::memcpy(&d, decoded + i, sizeof d);
                zeros -= d == 0;
                const lanes e = w - d, m = reinterpret_cast<lanes>(reinterpret_cast<counts>(e) & 0x7fffffff);
                squares.last += e * e;
                magnitudes.last += m;
                errors.last += e;
                products.last += w * e;
                largest = largest > m ? largest : m;
            }
            squares.flush();
            magnitudes.flush();
            errors.flush();
            products.flush();
        }
        result->squared_error += squares.total();
        result->absolute_error += magnitudes.total();
        result->error += errors.total();
        result->signal_error += products.total();
        for (std::size_t l = 0; l < width; ++l) {
            const auto m = static_cast<double>(largest[l]);
            result->max_error = m > result->max_error ? m : result->max_error;
            result->flushed_count += static_cast<std::size_t>(zeros[l]);
        }
    }
};

}  // namespace weightscope::detail
