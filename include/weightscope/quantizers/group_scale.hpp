#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// A scale as it is stored: never 0, never infinite.
inline double stored_scale(double scale, scale_type type)
{
    const auto stored = [scale]<class T>(T, double smallest, double largest) {
        const double rounded = static_cast<double>(static_cast<T>(scale));
        return rounded < smallest ? smallest : rounded < largest ? rounded : largest;
    };
    switch (type) {
    case scale_type::f32:
        return stored(float{}, static_cast<double>(std::numeric_limits<float>::denorm_min()),
                      static_cast<double>(std::numeric_limits<float>::max()));
    case scale_type::f16: return stored(float16{}, 0x1p-24, static_cast<double>(float16::max_finite));
    case scale_type::bf16: return stored(bfloat16{}, 0x1p-133, static_cast<double>(bfloat16::max_finite));
    case scale_type::e8m0:
    case scale_type::e4m3:
    case scale_type::f64: break;
    }
    return stored(double{}, std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max());
}

// Smallest scale that keeps all digits of its type.
inline double smallest_normal_scale(scale_type type)
{
    switch (type) {
    case scale_type::f16: return static_cast<double>(float16::min_normal);
    case scale_type::f64: return std::numeric_limits<double>::min();
    case scale_type::e4m3: return static_cast<double>(float8_e4m3::min_normal);
    case scale_type::f32:
    case scale_type::bf16:
    case scale_type::e8m0: break;
    }
    return static_cast<double>(std::numeric_limits<float>::min());
}

// The scale and zero point of one group.
struct group_code
{
    double scale = 1;
    double zero_point = 0;

    bool operator==(const group_code&) const = default;
};

// The code of asymmetric numbers from `low` to `high`, with or without 0 between them.
inline group_code asymmetric_code(double low, double high, const scheme& options)
{
    const double lowest = std::min(low, 0.0), highest = std::max(high, 0.0);
    const double levels = static_cast<double>(options.code_count() - 1);
    // halves, since the whole range of doubles may overflow
    const double scale = stored_scale((highest / 2 - lowest / 2) / levels * 2, options.scale);
    const auto first = static_cast<double>(options.lowest_code()), last = static_cast<double>(options.highest_code());
    return {scale, std::clamp(std::nearbyint(first - lowest / scale), first, last)};
}

// The code of symmetric numbers up to `magnitude`.
inline group_code symmetric_code(double magnitude, const scheme& options)
{
    const double levels = static_cast<double>(options.code_count() - 1) / 2;
    return {stored_scale(magnitude / levels, options.scale), 0};
}

// The code of a group from its extremes: of |w| where symmetric, of w where not. A group of one number (or of one magnitude) is
// decoded to itself, with that magnitude for a scale and levels -1, 0, 1; one of zeros has scale 1.
inline group_code code_of_range(double low, double high, const scheme& options)
{
    if (low == high)
        return {high == 0 ? 1 : stored_scale(std::fabs(high), options.scale), 0};
    return options.symmetric ? symmetric_code(high, options) : asymmetric_code(low, high, options);
}

// code_of_range for many groups of floats with float scales, in a form that vectorises.
struct scale_kernel
{
    [[gnu::always_inline]] void operator()(const float* low, const float* high, std::size_t groups, const scheme* options, float* scale,
                                           float* zero_point) const
    {
        constexpr float smallest = std::numeric_limits<float>::denorm_min();
        const double codes = static_cast<double>(options->code_count() - 1), levels = options->symmetric ? codes / 2 : codes;
        const double first = static_cast<double>(options->lowest_code()), last = static_cast<double>(options->highest_code());
        if (options->symmetric) {
            for (std::size_t g = 0; g < groups; ++g) {
                const double magnitude = static_cast<double>(high[g]);
                const auto rounded = static_cast<float>(low[g] == high[g] ? magnitude : magnitude / levels);
                const float stored = rounded < smallest ? smallest : rounded;
                scale[g] = magnitude == 0 ? 1 : stored;
                zero_point[g] = 0;
            }
            return;
        }
        for (std::size_t g = 0; g < groups; ++g) {
            const double a = static_cast<double>(low[g]), b = static_cast<double>(high[g]);
            const double lowest = a < 0 ? a : 0, highest = b > 0 ? b : 0;
            const double range = a == b ? highest - lowest : (highest - lowest) / levels;
            const auto rounded = static_cast<float>(range);
            const float stored = rounded < smallest ? smallest : rounded;
            const double offset = std::nearbyint(first - lowest / static_cast<double>(stored));
            const double above = offset < first ? first : offset;
            scale[g] = range == 0 ? 1 : stored;
            zero_point[g] = static_cast<float>(a == b ? 0 : above > last ? last : above);
        }
    }
};

}  // namespace weightscope::detail
