#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// The number of the grid that a code stands for; of integers q - z.
inline float level_of_code(int code, int zero_point, const scheme& options)
{
    const auto bits = static_cast<std::uint32_t>(code) & ((1u << options.bits) - 1);
    switch (options.grid) {
    case element_grid::integer: return static_cast<float>(code - (options.rules.minimum ? options.lowest_code() : zero_point));
    case element_grid::nf4: return nf4_values[bits];
    case element_grid::fp8_e4m3: return float8_e4m3::from_bits(static_cast<std::uint8_t>(bits));
    case element_grid::fp8_e5m2: return float8_e5m2::from_bits(static_cast<std::uint8_t>(bits));
    case element_grid::fp8_e4m3fnuz: return float8_e4m3fnuz::from_bits(static_cast<std::uint8_t>(bits));
    case element_grid::fp8_e5m2fnuz: return float8_e5m2fnuz::from_bits(static_cast<std::uint8_t>(bits));
    default: break;
    }
    const grid_format& format = format_of(options.grid);
    const std::uint32_t top = 1u << (options.bits - 1), magnitude = bits & (top - 1), mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
    const int field = static_cast<int>(magnitude >> format.mantissa_bits);
    const auto significand = static_cast<float>(field == 0 ? mantissa : mantissa + (1u << format.mantissa_bits));
    const float value = std::ldexp(significand, format.lowest_exponent + std::max(field, 1) - 1 - format.mantissa_bits);
    return (bits & top) != 0 ? -value : value;
}

// The scale of a group as it multiplies.
inline float scale_in_use(const quantized_tensor& q, std::size_t group)
{
    const auto scale = static_cast<float>(q.scales[group]), global = static_cast<float>(q.global_scale);
    switch (q.scheme.rules.global) {
    case global_scale::multiplier: return scale * global;
    case global_scale::divisor: return scale / global;
    case global_scale::none: break;
    }
    return scale;
}

template <class T>
void dequantize_grid_into(const quantized_tensor& q, const std::int8_t* codes, T* out)
{
    const group_layout layout(q.shape, q.scheme, true);
    const bool minimum = q.scheme.rules.minimum;
    std::vector<float> levels(std::size_t{1} << q.scheme.bits);  // of a zero point of 0
    const int first = -(1 << (q.scheme.bits - 1));
    for (std::size_t i = 0; i < levels.size(); ++i)
        levels[i] = level_of_code(first + static_cast<int>(i), 0, q.scheme);
    parallel_for(layout.strip_count(), [&](std::size_t i) {
        const strip s = layout[i];
        for (std::size_t piece = 0; piece < s.pieces; ++piece)
            s.for_each_part(piece, [&](std::size_t at, std::size_t, std::size_t count, std::size_t part) {
                const std::size_t group = layout.one_group() ? 0 : s.first_group + part, begin = s.begin + piece * s.piece_stride + at;
                const float scale = scale_in_use(q, group), zero_point = q.zero_points.empty() ? 0 : q.zero_points[group];
                const float added = minimum ? static_cast<float>(q.minima[group]) : 0;
                for (std::size_t k = begin; k < begin + count; ++k) {
                    const float product = (levels[static_cast<std::size_t>(codes[k] - first)] - zero_point) * scale;
                    out[k] = static_cast<T>(minimum ? product + added : product);
                }
            });
    });
}

}  // namespace weightscope::detail
