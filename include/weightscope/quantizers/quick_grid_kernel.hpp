#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/grid_scale.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// quick_error_kernel for grids: rounds a strip of whole groups as grid_round_kernel does, but for the sign of zeros, and adds up its
// errors, all in registers. `ahead`, if any, are as many weights that come next. Groups must be whole vectors. Only what runtimes do
// is compiled: minima where halves go up or weights are divided, zero points where halves go to even; where !clamps no weight may lie
// beyond the grid.
template <grid_kind Kind, rounding_mode Mode, bool Divides>
struct quick_grid_kernel
{
    using lanes = simd_vector<float>;
    using whole = simd_vector<std::int32_t>;
    static constexpr std::size_t width = simd<float>::width;
    static constexpr bool clamps = Kind == grid_kind::integer ? Mode != rounding_mode::half_away : Kind == grid_kind::floating && !Divides;
    static constexpr bool minima = Kind == grid_kind::integer && (Mode == rounding_mode::half_up || Divides);
    static constexpr bool zeros = Kind == grid_kind::integer && Mode == rounding_mode::half_even;

    static constexpr bool small_groups = Kind == grid_kind::floating && Divides;

    // what all groups have in common, in all lanes
    struct constants
    {
        lanes lowest, highest, offset, below_first, beyond;
        whole least_place, to_big;
        float first;  // 1 where the zero point is added before rounding
    };

    [[gnu::always_inline]] static void spread(float x, lanes& out) { out = lanes{x, x, x, x, x, x, x, x}; }
    [[gnu::always_inline]] static void spread(std::int32_t x, whole& out) { out = whole{x, x, x, x, x, x, x, x}; }

    [[gnu::always_inline]] static void prepare(const grid_rounding& r, constants& c)
    {
        spread(Kind == grid_kind::floating ? -r.largest : r.lowest, c.lowest);
        spread(Kind == grid_kind::floating ? r.largest : r.highest, c.highest);
        spread(r.offset, c.offset);
        spread(std::nextafter(r.highest + r.offset + 1, 0.0F), c.below_first);
        spread(r.beyond, c.beyond);
        spread(r.lowest_exponent << 23, c.least_place);
        spread((23 - r.mantissa_bits) << 23 | (Mode == rounding_mode::half_even ? 0x400000 : 0), c.to_big);
        c.first = r.zero_first ? 1 : 0;
    }

    // integers below 2^31
    [[gnu::always_inline]] static void cut(lanes& t) { t = __builtin_convertvector(__builtin_convertvector(t, whole), lanes); }

    [[gnu::always_inline]] static void to_integer(const constants& c, float zero, lanes& t, whole& clipped)
    {
        if constexpr (Mode == rounding_mode::half_up) {
            t += c.offset + 0.5F;
            const lanes free = t;
            t = t > 0 ? t : lanes{};
            t = t < c.below_first ? t : c.below_first;
            clipped -= t != free;
            cut(t);
            t -= c.offset;
        } else if constexpr (Mode == rounding_mode::half_away) {
            const whole sign = reinterpret_cast<whole>(t) & std::int32_t{INT32_MIN};
            constexpr std::int32_t below_half = 0x3effffff;
            t += reinterpret_cast<lanes>(sign | below_half);
            cut(t);
        } else {
            const float first = c.first * zero;
            t += first;
            for (std::size_t l = 0; l < width; ++l)
                t[l] = __builtin_nearbyintf(t[l]);
            t -= first;
            const lanes free = t, lowest = c.lowest - zero, highest = c.highest - zero;
            t = t > lowest ? t : lowest;
            t = t < highest ? t : highest;
            clipped -= t != free;
        }
    }

    [[gnu::always_inline]] static void to_float(const constants& c, lanes& t, whole& clipped)
    {
        const whole sign = reinterpret_cast<whole>(t) & std::int32_t{INT32_MIN};
        if constexpr (clamps) {
            lanes a = reinterpret_cast<lanes>(reinterpret_cast<whole>(t) & 0x7fffffff);
            clipped -= a >= c.beyond;
            if constexpr (Mode == rounding_mode::half_even) {
                t = t > c.lowest ? t : c.lowest;
                t = t < c.highest ? t : c.highest;
            } else {
                t = a < c.highest ? a : c.highest;
            }
        }
        // as grid_level does it, with 1.5 times the large number where both signs are rounded
        whole exponent = reinterpret_cast<whole>(t) & 0x7f800000;
        exponent = exponent > c.least_place ? exponent : c.least_place;
        const whole big = exponent + c.to_big;
        const lanes before = t;
        round_to_last_place_of(reinterpret_cast<lanes>(big), t);
        if constexpr (Mode != rounding_mode::half_even) {
            const whole place = big - (23 << 23);
            const lanes half = reinterpret_cast<lanes>(place - (1 << 23)), rest = Mode == rounding_mode::half_away ? before - t : t - before;
            const lanes step = reinterpret_cast<lanes>((rest == half) & place);
            t = Mode == rounding_mode::half_away ? t + step : t - step;
            t = reinterpret_cast<lanes>(reinterpret_cast<whole>(t) | sign);
        }
    }

    [[gnu::always_inline]] static void to_table(lanes& t)
    {
#if defined(__GNUC__) && !defined(__clang__)
        // A binary search: each comparison picks the next threshold from those left. True is -1, so that `found` is less one for every
        // threshold that is below; a shuffle takes it modulo 8.
        constexpr auto& h = nf4_thresholds;
        constexpr auto& v = nf4_values;
        constexpr lanes third = {h[1], h[1], h[1], h[1], h[1], h[13], h[9], h[5]}, fourth = {h[0], h[14], h[12], h[10], h[8], h[6], h[4], h[2]};
        constexpr lanes low_values = {v[0], v[7], v[6], v[5], v[4], v[3], v[2], v[1]}, high_values = {v[8], v[15], v[14], v[13], v[12], v[11], v[10], v[9]};
        const whole upper = t > h[7];
        const lanes second = upper ? lanes{} + h[11] : lanes{} + h[3];
        whole found = upper + upper + (t > second);
        found = found + found + (t > __builtin_shuffle(third, found));
        found = found + found + (t > __builtin_shuffle(fourth, found));
        t = upper ? __builtin_shuffle(high_values, found) : __builtin_shuffle(low_values, found);
#else
        lanes value = lanes{} + nf4_values[0];
        for (std::size_t i = 0; i < nf4_thresholds.size(); ++i)
            value = t > nf4_thresholds[i] ? lanes{} + nf4_values[i + 1] : value;
        t = value;
#endif
    }

    // what the weights of one group have in common
    struct group
    {
        float factor, scale, zero, subtracted, added;
    };

    [[gnu::always_inline]] static group group_of(const grid_groups& groups, std::size_t g)
    {
        return {.factor = Divides ? groups.divisor[g] : groups.multiplier[g],
                .scale = groups.scale[g],
                .zero = zeros ? groups.zero[g] : 0,
                .subtracted = minima ? groups.subtracted[g] : 0,
                .added = minima ? groups.added[g] : 0};
    }

    [[gnu::always_inline]] static void add(const constants& c, const group& g, const float* x, quick_error_sums& sums)
    {
        lanes w;
        std::memcpy(&w, x, sizeof w);
        lanes t = w;
        if constexpr (minima)
            t -= g.subtracted;
        if constexpr (Divides)
            t /= g.factor;
        else
            round_product(g.factor, t);
        if constexpr (Kind == grid_kind::integer)
            to_integer(c, g.zero, t, sums.clipped);
        else if constexpr (Kind == grid_kind::floating)
            to_float(c, t, sums.clipped);
        else
            to_table(t);
        round_product(g.scale, t);
        if constexpr (minima)
            t += g.added;
        sums.add(w, t);
    }

    // A batch that begins in group `g`, which ends at `group_end`; both become those of the next one.
    [[gnu::always_inline]] static void add_batch(const constants& c, const grid_groups& groups, const float* x, std::size_t begin, std::size_t batch_end,
                                                 std::size_t group_size, std::size_t& g, std::size_t& group_end, quick_error_sums& sums)
    {
        while (begin < batch_end) {
            const std::size_t end = batch_end < group_end ? batch_end : group_end;
            const group one = group_of(groups, g);
            for (; begin < end; begin += width)
                add(c, one, x + begin, sums);
            if (begin == group_end) {
                ++g;
                group_end += group_size;
            }
        }
    }

    [[gnu::always_inline]] void operator()(const grid_rounding* rounding, const grid_groups* groups, const float* x, std::size_t count, std::size_t group_size,
                                           const float* ahead, error_sums* result) const
    {
        constants c;
        prepare(*rounding, c);
        quick_error_sums sums;
        const bool pairs = small_groups && group_size == 2 * width && count % group_size == 0;  // NVFP4: loops would cost more than their groups
        for (std::size_t begin = 0, g = 0, group_end = group_size; begin < count;) {
            const std::size_t batch_end = count - begin < added_at_once ? count : begin + added_at_once;
            if (ahead)
                fetch(ahead + begin, ahead + batch_end);
            if (pairs) {
                for (std::size_t i = begin; i < batch_end; i += 2 * width, ++g) {
                    const group one = group_of(*groups, g);
                    add(c, one, x + i, sums);
                    add(c, one, x + i + width, sums);
                }
            } else {
                add_batch(c, *groups, x, begin, batch_end, group_size, g, group_end, sums);
            }
            begin = batch_end;
            sums.flush();
        }
        sums.add_to(*result);
    }
};

// Calls f with the quick_grid_kernel of a grid; false where there is none.
template <class F>
bool with_quick_kernel(grid_kind kind, rounding_mode mode, bool divides, const F& f)
{
    using enum rounding_mode;
    switch (kind) {
    case grid_kind::integer:
        if (mode == half_even)
            return divides ? f(quick_grid_kernel<grid_kind::integer, half_even, true>{}) : f(quick_grid_kernel<grid_kind::integer, half_even, false>{});
        if (mode == half_away)
            return !divides && f(quick_grid_kernel<grid_kind::integer, half_away, false>{});
        return mode == half_up && !divides && f(quick_grid_kernel<grid_kind::integer, half_up, false>{});
    case grid_kind::floating:
        if (mode == half_even)
            return divides ? f(quick_grid_kernel<grid_kind::floating, half_even, true>{}) : f(quick_grid_kernel<grid_kind::floating, half_even, false>{});
        if (mode == half_away)
            return !divides && f(quick_grid_kernel<grid_kind::floating, half_away, false>{});
        return mode == half_to_zero && !divides && f(quick_grid_kernel<grid_kind::floating, half_to_zero, false>{});
    case grid_kind::table: break;
    }
    return divides ? f(quick_grid_kernel<grid_kind::table, half_even, true>{}) : f(quick_grid_kernel<grid_kind::table, half_even, false>{});
}

}  // namespace weightscope::detail
