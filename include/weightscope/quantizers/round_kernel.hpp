#pragma once

#include <cmath>
#include <cstddef>
#include <type_traits>

#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// The codes of the groups of a strip and how to round to them.
template <class Real>
struct strip_code
{
    std::size_t group_size = 1;
    const Real* low = nullptr;         // extremes of each group: of |w| where symmetric, of w where not
    const Real* high = nullptr;
    const Real* scale = nullptr;
    const Real* zero_point = nullptr;
    Real lowest_code = 0;
    Real highest_code = 0;
    bool symmetric = true;
    bool half_away = false;
    const double* noise = nullptr;     // of stochastic rounding: uniform in [0, 1), one for each weight of the strip; else none
};

// Neighbours that are worked on while they lie in the first-level cache.
inline constexpr std::size_t rounded_at_once = 2048;

// Weights over the scale of their group, rounded and clamped: the level q - z, or where Decoded is not void the weight ŵ it stands
// for, computed in Decoded. Written as Out, which loses nothing.
template <class Real, class Decoded, class Out>
struct round_kernel
{
    [[gnu::always_inline]] static Real rounded(Real t, bool half_away)
    {
        const Real r = std::nearbyint(t);
        if (!half_away)
            return r;
        const Real rest = t - r;  // exact
        const Real up = rest == Real(0.5) && t > 0 ? r + 1 : r;
        return rest == Real(-0.5) && t < 0 ? up - 1 : up;
    }

    [[gnu::always_inline]] static Out result(Real level, Real scale)
    {
        if constexpr (std::is_void_v<Decoded>)
            return static_cast<Out>(level);
        else
            return static_cast<Out>(static_cast<Decoded>(level) * static_cast<Decoded>(scale));
    }

    template <bool HalfAway>
    [[gnu::always_inline]] static void inside(const Real* __restrict x, std::size_t count, Real scale, Out* __restrict out)
    {
        for (std::size_t i = 0; i < count; ++i)
            out[i] = result(rounded(x[i] / scale, HalfAway), scale);
    }

    // the same where weights may lie beyond the last codes; returns how many do
    template <bool HalfAway>
    [[gnu::always_inline]] static std::size_t clamped(const Real* __restrict x, std::size_t count, Real scale, Real lowest, Real highest,
                                                      Out* __restrict out)
    {
        std::size_t clipped = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const Real r = rounded(x[i] / scale, HalfAway);
            const Real above = r < lowest ? lowest : r, level = above > highest ? highest : above;
            clipped += level != r;
            out[i] = result(level, scale);
        }
        return clipped;
    }

    [[gnu::always_inline]] static std::size_t stochastic(const Real* __restrict x, const double* __restrict noise, std::size_t count,
                                                         Real scale, Real lowest, Real highest, Out* __restrict out)
    {
        std::size_t clipped = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const Real r = static_cast<Real>(std::floor(static_cast<double>(x[i] / scale) + noise[i]));
            const Real above = r < lowest ? lowest : r, level = above > highest ? highest : above;
            clipped += level != r;
            out[i] = result(level, scale);
        }
        return clipped;
    }

    // A little early, for the rounding of the product.
    [[gnu::always_inline]] static bool reaches_beyond(const strip_code<Real>& code, std::size_t g)
    {
        const Real scale = code.scale[g], lowest = code.lowest_code - code.zero_point[g], highest = code.highest_code - code.zero_point[g];
        const Real low = code.symmetric ? -code.high[g] : code.low[g];
        return code.high[g] > (highest + Real(0.49)) * scale || low < (lowest - Real(0.49)) * scale;
    }

    // `count` neighbours from `at` of the strip `x` on, all in group `g`; returns how many are clipped
    [[gnu::always_inline]] static std::size_t round_group(const strip_code<Real>& code, std::size_t g, const Real* x, std::size_t at,
                                                          std::size_t count, Out* out)
    {
        x += at;
        const Real scale = code.scale[g], lowest = code.lowest_code - code.zero_point[g], highest = code.highest_code - code.zero_point[g];
        if (code.noise)
            return stochastic(x, code.noise + at, count, scale, lowest, highest, out);
        const bool may_clip = reaches_beyond(code, g);
        if (code.half_away)
            return may_clip ? clamped<true>(x, count, scale, lowest, highest, out) : (inside<true>(x, count, scale, out), 0);
        return may_clip ? clamped<false>(x, count, scale, lowest, highest, out) : (inside<false>(x, count, scale, out), 0);
    }

    // [begin, end) of the strip `x`; `begin` begins a group
    [[gnu::always_inline]] std::size_t operator()(const strip_code<Real>* code, const Real* x, std::size_t begin, std::size_t end,
                                                  Out* out) const
    {
        std::size_t clipped = 0;
        const std::size_t size = code->group_size;
        for (std::size_t group = begin / size, at = begin; at < end; at += size, ++group)
            clipped += round_group(*code, group, x, at, end - at < size ? end - at : size, out + (at - begin));
        return clipped;
    }
};

}  // namespace weightscope::detail
