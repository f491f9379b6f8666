#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_scale.hpp>
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

// t = t * factor, rounded: never part of a fused sum.
[[gnu::always_inline]] inline void round_product(float factor, simd_vector<float>& t)
{
#if defined(__clang__)
#pragma clang fp contract(off)
    t = t * factor;
#elif defined(__GNUC__) && __GNUC__ >= 12 && !defined(__NVCC__)
    t = __builtin_assoc_barrier(t * factor);
#else
    t = t * factor;
    t = t == t ? t : t * factor;  // what is compared is a number
#endif
}

// a = a + big - big, which no setting of the compiler may take for a.
[[gnu::always_inline]] inline void round_to_last_place_of(const simd_vector<float>& big, simd_vector<float>& a)
{
#if defined(__clang__)
#pragma clang fp reassociate(off)
    a = (a + big) - big;
#elif defined(__GNUC__) && __GNUC__ >= 12 && !defined(__NVCC__)
    a = __builtin_assoc_barrier(a + big) - big;
#else
    a = (a + big) - big;
#endif
}

// Levels of numbers in units of the scale: weights over the scale of their group become numbers of the grid.
template <grid_kind Kind, rounding_mode Mode>
struct grid_level
{
    using lanes = simd_vector<float>;
    using whole = simd_vector<std::int32_t>;
    static constexpr std::size_t width = simd<float>::width;

    // To whole numbers, halves to where they belong.
    [[gnu::always_inline]] static void to_whole(lanes& t)
    {
        const lanes before = t;
        for (std::size_t l = 0; l < width; ++l)
            t[l] = __builtin_nearbyintf(t[l]);
        constexpr std::int32_t one = 0x3f800000;
        if constexpr (Mode == rounding_mode::half_up) {
            t = t - reinterpret_cast<lanes>((t > before) & one);  // down, of a half more
        } else if constexpr (Mode != rounding_mode::half_even) {
            const whole sign = reinterpret_cast<whole>(before) & std::int32_t{INT32_MIN};
            const lanes rest = reinterpret_cast<lanes>(reinterpret_cast<whole>(before - t) ^ sign);  // exact
            const lanes step = reinterpret_cast<lanes>((rest == (Mode == rounding_mode::half_away ? 0.5F : -0.5F)) & (sign | one));
            t = Mode == rounding_mode::half_away ? t + step : t - step;
        }
    }

    // Magnitudes to the places of a float grid, halves to where they belong: those of a float 2^(23 - mantissa bits) as large.
    [[gnu::always_inline]] static void to_places(const grid_rounding& r, lanes& a)
    {
        whole exponent = reinterpret_cast<whole>(a) & 0x7f800000;
        exponent = exponent > r.lowest_exponent << 23 ? exponent : whole{} + (r.lowest_exponent << 23);
        const lanes big = reinterpret_cast<lanes>(exponent + ((23 - r.mantissa_bits) << 23));
        const lanes before = a;
        round_to_last_place_of(big, a);
        if constexpr (Mode == rounding_mode::half_away || Mode == rounding_mode::half_to_zero) {
            const whole place = exponent - (r.mantissa_bits << 23);
            const lanes half = reinterpret_cast<lanes>(place - (1 << 23)), rest = Mode == rounding_mode::half_away ? before - a : a - before;  // exact
            const lanes step = reinterpret_cast<lanes>((rest == half) & place);
            a = Mode == rounding_mode::half_away ? a + step : a - step;
        }
    }

    [[gnu::always_inline]] static void apply(const grid_rounding& r, float zero, lanes& t, whole& clipped)
    {
        if constexpr (Kind == grid_kind::integer) {
            // 0 times the infinite reciprocal of a subnormal scale; the comparison also keeps the product from being fused with a sum
            t = t == t ? t : lanes{};
            if constexpr (Mode == rounding_mode::half_up) {
                t = t + (r.offset + 0.5F);
                to_whole(t);
                t = t - r.offset;
            } else {
                const float first = r.zero_first ? zero : 0;
                t = t + first;
                to_whole(t);
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
            to_places(r, a);
            t = reinterpret_cast<lanes>(reinterpret_cast<whole>(a) | sign);
        } else {
            lanes value = lanes{} + nf4_values[0];
            for (std::size_t i = 0; i < nf4_thresholds.size(); ++i)
                value = t > nf4_thresholds[i] ? lanes{} + nf4_values[i + 1] : value;
            t = value;
        }
    }
};

// `t` = weights as they are rounded: less what is subtracted from those of group `g`, over its scale.
template <bool Divides>
[[gnu::always_inline]] inline void take_scaled(const grid_groups& groups, std::size_t g, const float* x, simd_vector<float>& t)
{
    std::memcpy(&t, x, sizeof t);
    t = t - groups.subtracted[g];
    if constexpr (Divides)
        t = t / groups.divisor[g];
    else
        t = t * groups.multiplier[g];
}

// The levels of weights, or with `scale` and `added` what they stand for.
template <grid_kind Kind, bool Divides>
struct grid_round_kernel
{
    using lanes = simd_vector<float>;
    using whole = simd_vector<std::int32_t>;
    static constexpr std::size_t width = simd<float>::width;

    template <rounding_mode Mode>
    [[gnu::always_inline]] static void add_lanes(const grid_rounding& r, const grid_groups& groups, std::size_t g, const float* scale, const float* added,
                                                 const float* x, float* out, whole& clipped)
    {
        lanes t;
        take_scaled<Divides>(groups, g, x, t);
        grid_level<Kind, Mode>::apply(r, groups.zero[g], t, clipped);
        round_product(scale[g], t);
        t = t + added[g];
        std::memcpy(out, &t, sizeof t);
    }

    template <rounding_mode Mode>
    [[gnu::always_inline]] static std::size_t add_groups(const grid_rounding& r, const grid_groups& groups, const float* scale, const float* added,
                                                         std::size_t g, const float* x, std::size_t count, std::size_t group_size, float* out)
    {
        whole clipped = {};
        std::size_t more = 0;
        for (std::size_t begin = 0; begin < count; begin += group_size, ++g) {
            const std::size_t end = count - begin < group_size ? count : begin + group_size;
            std::size_t i = begin;
            for (; i + width <= end; i += width)
                add_lanes<Mode>(r, groups, g, scale, added, x + i, out + i, clipped);
            if (i == end)
                continue;
            float rest[width] = {}, result[width];
            whole clipped_rest = {};
            for (std::size_t l = 0; i + l < end; ++l)
                rest[l] = x[i + l];
            add_lanes<Mode>(r, groups, g, scale, added, rest, result, clipped_rest);
            for (std::size_t l = 0; i + l < end; ++l) {
                out[i + l] = result[l];
                more += static_cast<std::size_t>(clipped_rest[l]);
            }
        }
        for (std::size_t l = 0; l < width; ++l)
            more += static_cast<std::size_t>(clipped[l]);
        return more;
    }

    // `count` neighbours of which the first begins group `g`; returns how many are beyond the grid
    [[gnu::always_inline]] std::size_t operator()(const grid_rounding* rounding, const grid_groups* groups, const float* scale, const float* added,
                                                  std::size_t g, const float* x, std::size_t count, std::size_t group_size, float* out) const
    {
        const grid_rounding r = *rounding;
        if constexpr (Kind != grid_kind::table) {
            switch (r.mode) {
            case rounding_mode::half_away: return add_groups<rounding_mode::half_away>(r, *groups, scale, added, g, x, count, group_size, out);
            case rounding_mode::half_to_zero: return add_groups<rounding_mode::half_to_zero>(r, *groups, scale, added, g, x, count, group_size, out);
            case rounding_mode::half_up:
                if constexpr (Kind == grid_kind::integer)
                    return add_groups<rounding_mode::half_up>(r, *groups, scale, added, g, x, count, group_size, out);
                break;
            case rounding_mode::half_even:
            case rounding_mode::stochastic: break;
            }
        }
        return add_groups<rounding_mode::half_even>(r, *groups, scale, added, g, x, count, group_size, out);
    }
};

}  // namespace weightscope::detail
