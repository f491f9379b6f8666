#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

// Scales of the schemes that follow a runtime or have a grid of their own: in float, in the order of operations that the runtime has.
namespace weightscope::detail {

// ŵ = level · scale + added, with the level next to (w - subtracted) · multiplier / divisor. One of the two factors is 1.
struct grid_groups
{
    std::vector<float> stored, scale, multiplier, divisor, subtracted, added, zero;

    void resize(std::size_t groups)
    {
        for (auto* values : {&stored, &scale, &multiplier, &divisor, &subtracted, &added, &zero})
            values->resize(groups);
    }
};

// Whether a scale follows from max|w| alone.
constexpr bool scale_needs_magnitude_only(const scheme& options)
{
    const scale_base base = options.rules.base;
    return base != scale_base::half_span_signed && base != scale_base::span && base != scale_base::signed_largest && base != scale_base::signed_side;
}

// Numbers of a scheme in float.
struct grid_numbers
{
    explicit grid_numbers(const scheme& options, float global_scale_of_tensor = 1)
        : base(options.rules.base), storage(options.scale), rules(options.rules), lowest(static_cast<float>(options.lowest_code())),
          highest(static_cast<float>(options.highest_code())), span(highest - lowest), global(global_scale_of_tensor),
          reciprocal_of_zero(options.grid == element_grid::nf4)
    {
        const grid_format& format = format_of(options.grid);
        top = options.grid == element_grid::integer ? highest : format.largest;
        highest_exponent = options.grid == element_grid::integer ? options.bits - 2 : format.highest_exponent;
        mantissa_bits = format.mantissa_bits;
    }

    scale_base base;
    scale_type storage;
    scale_rules rules;
    float lowest, highest, span, global;
    bool reciprocal_of_zero;
    float top = 1;
    int highest_exponent = 0, mantissa_bits = 0;
};

// The scale of the whole tensor, as stored. One of zeros has 1.
inline float global_scale_of(float magnitude, const scheme& options)
{
    const float range = format_of(options.grid).largest * float8_e4m3::max_finite;
    return magnitude == 0 ? 1 : options.rules.global == global_scale::divisor ? range / magnitude : magnitude / range;
}

}  // namespace weightscope::detail
