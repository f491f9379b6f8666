#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <math.h>

#include <weightscope/core/device.hpp>
#include <weightscope/core/scalar_format.hpp>

namespace weightscope::detail {

// One way to code a group: levels `lowest` to `highest` (integers), `scale` apart.
struct trial_code
{
    double scale = 1;
    double lowest = 0;
    double highest = 0;
};

// What a trial makes of some weights x, with k the level of each.
struct trial_sums
{
    double dot = 0;            // Σ x k
    double level_squares = 0;  // Σ k²
    double error_powers = 0;   // Σ |x / scale - k|^norm; 0 unless asked for

    trial_sums& operator+=(const trial_sums& other)
    {
        dot += other.dot;
        level_squares += other.level_squares;
        error_powers += other.error_powers;
        return *this;
    }
};

// x^p of 0 <= x < 2^60 to a few parts in 10^5: enough to compare trials. Series of log2 and exp2 about the middle of their range.
[[gnu::always_inline]] WEIGHTSCOPE_HOST_DEVICE inline float quick_power(float x, float p)
{
    const auto bits = bits_as<std::int32_t>(x + 1e-12F);
    const auto exponent = static_cast<float>((bits >> 23) - 127);
    const float m = bits_as<float>((bits & 0x007fffff) | 0x3f800000);
    // log2((1 + y) / (1 - y)) = 2 / ln 2 (y + y³/3 + ...), |y| <= 0.172
    const float y = (m - 1.41421356F) / (m + 1.41421356F), y2 = y * y;
    const float log = exponent + 0.5F + y * (2.88539008F + y2 * (0.96179669F + y2 * (0.57707802F + y2 * 0.41219859F)));
    const float wanted = p * log, power = wanted < -120 ? -120 : wanted > 120 ? 120 : wanted;
    const float whole = nearbyintf(power), z = (power - whole) * 0.69314718F;  // |z| <= 0.347
    const float fraction = 1 + z * (1 + z * (0.5F + z * (0.16666667F + z * (0.041666667F + z * 0.0083333333F))));
    return fraction * bits_as<float>((static_cast<std::int32_t>(whole) + 127) << 23);
}

template <class Real>
struct trial_kernel
{
    static constexpr std::size_t added_at_once = 1024;  // products in Real before they are added up in double

    template <std::size_t Width, bool Powers>
    [[gnu::always_inline]] static void add(const Real* x, std::size_t count, Real scale, Real lowest, Real highest, float norm,
                                           trial_sums* sums)
    {
        Real dot[Width] = {}, squares[Width] = {}, powers[Width] = {};
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l) {
                const Real w = x[i + l], t = w / scale, r = std::nearbyint(t);
                const Real above = r < lowest ? lowest : r, level = above > highest ? highest : above;
                if constexpr (Powers) {
                    powers[l] += static_cast<Real>(quick_power(static_cast<float>(std::fabs(t - level)), norm));
                } else {
                    dot[l] += w * level;
                    squares[l] += level * level;
                }
            }
        for (std::size_t l = 0; l < Width; ++l) {
            sums->dot += static_cast<double>(dot[l]);
            sums->level_squares += static_cast<double>(squares[l]);
            sums->error_powers += static_cast<double>(powers[l]);
        }
    }

    [[gnu::always_inline]] void operator()(const Real* x, std::size_t count, const trial_code* code, double norm, trial_sums* sums) const
    {
        constexpr std::size_t width = 64 / sizeof(Real);
        const auto scale = static_cast<Real>(code->scale), lowest = static_cast<Real>(code->lowest), highest = static_cast<Real>(code->highest);
        const auto power = static_cast<float>(norm);
        for (std::size_t begin = 0; begin < count; begin += added_at_once) {
            const std::size_t part = count - begin < added_at_once ? count - begin : added_at_once, whole = part - part % width;
            if (norm == 0) {
                add<width, false>(x + begin, whole, scale, lowest, highest, power, sums);
                add<1, false>(x + begin + whole, part - whole, scale, lowest, highest, power, sums);
            } else {
                add<width, true>(x + begin, whole, scale, lowest, highest, power, sums);
                add<1, true>(x + begin + whole, part - whole, scale, lowest, highest, power, sums);
            }
        }
    }
};

}  // namespace weightscope::detail
