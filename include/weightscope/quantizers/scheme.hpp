#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/scale_rules.hpp>

namespace weightscope {

/// Which weights share a scale (and a zero point). A tensor is seen as the matrix [out, in * kernel], below rank 2 as one row.
enum class scale_granularity
{
    per_tensor,
    per_channel,  ///< one for each index of `channel_axis`
    per_group,    ///< one for `group_size` neighbours along a row; the last group of a row may be shorter
    per_block,    ///< one for `block_rows` x `block_cols`; blocks at the lower and right edge may be smaller
};

/// Where a number goes that lies between two codes.
enum class rounding_mode
{
    half_even,   ///< to the nearest, halves to the even code: PyTorch, NumPy, ONNX
    half_away,   ///< to the nearest, halves away from zero: C's round()
    stochastic,  ///< up with the probability of its distance from the lower code; depends on `seed` and the position alone
    half_up,       ///< to the nearest, halves up: trunc(x + 1/2) of codes from 0
    half_to_zero,  ///< to the nearest, halves toward zero
};

/// How a scale is stored. It is rounded to that type before the weights are divided by it.
enum class scale_type
{
    f32,
    f16,
    bf16,
    f64,  ///< for figures free of the scale's rounding; arithmetic is then in double
    e8m0,  ///< powers of two from 2^-127 to 2^127
    e4m3,  ///< FP8 E4M3, up to 448
};

/// How much of the range of a group its codes span.
enum class range_search
{
    whole,       ///< all of it: max|w| where symmetric, min and max where asymmetric
    percentile,  ///< the inner `percentile` percent of the magnitudes (symmetric) or of the weights (asymmetric)
    mse,         ///< what leaves the least Σ e², among grids of ranges
    p_norm,      ///< what leaves the least Σ |e|^norm, among grids of ranges
};

/// A code for weights and the scales that go with it.
///
///     ŵ = (q - z) s,   q = clamp(round(w / s) + z, lowest_code, highest_code)    integers
///     ŵ = g(q) s,      q the code of the number g(q) of the grid next to w / s   other grids, whose scale is max|w| / top
///
///     b bits              codes                            s of a whole range               z
///     symmetric           -(2^(b-1) - 1) .. 2^(b-1) - 1    max|w| / (2^(b-1) - 1)           0
///     and full_range      -2^(b-1) .. 2^(b-1) - 1          2 max|w| / (2^b - 1)             0
///     asymmetric          -2^(b-1) .. 2^(b-1) - 1          (max - min) / (2^b - 1)          clamp(round(lowest_code - min / s))
///
/// Asymmetric ranges are extended to hold 0 and z is an integer code, so that 0 is decoded to 0 exactly; z rounds halves to even.
/// Codes of 8 bits or fewer fit a signed byte in every scheme; those of other grids are the bits of the number, with the top one for a
/// sign. Runtimes make scales and codes in other ways: `rules` says how.
///
///     constexpr scheme int4{.bits = 4, .granularity = scale_granularity::per_group, .group_size = 64};
///
/// @see `parse_scheme` for names such as "int4-g64-asym", "mxfp4" or "gptq-int4"; `conventions` for the runtimes that are known
struct scheme
{
    int bits = 8;            ///< 2 to 8, or 16; sign included
    bool symmetric = true;   ///< no zero point
    scale_granularity granularity = scale_granularity::per_tensor;
    std::size_t group_size = 128;     ///< per_group: weights
    std::size_t channel_axis = 0;     ///< per_channel: 0 is the output dimension
    std::size_t block_rows = 32;      ///< per_block
    std::size_t block_cols = 32;      ///< per_block
    bool full_range = false;          ///< symmetric: use the lowest code too
    rounding_mode rounding = rounding_mode::half_even;
    std::uint64_t seed = 0;           ///< stochastic rounding
    scale_type scale = scale_type::f32;
    range_search search = range_search::whole;
    double percentile = 99.9;         ///< search percentile: above 0, at most 100
    double norm = 2.4;                ///< search p_norm: exponent above 0
    element_grid grid = element_grid::integer;  ///< others have the bits of their name
    scale_rules rules = {};           ///< of the runtime to be followed

    /// Whether codes and scales are those of the table above.
    [[nodiscard]] constexpr bool plain() const noexcept { return grid == element_grid::integer && rules.base == scale_base::codes; }
    [[nodiscard]] constexpr int lowest_code() const noexcept
    {
        return symmetric && !full_range && grid == element_grid::integer ? -highest_code() : -highest_code() - 1;
    }
    [[nodiscard]] constexpr int highest_code() const noexcept { return (1 << (bits - 1)) - 1; }
    [[nodiscard]] constexpr std::size_t code_count() const noexcept
    {
        return static_cast<std::size_t>(highest_code() - lowest_code() + 1);
    }

    bool operator==(const scheme&) const = default;
};

namespace detail {

// Which rules go with which codes.
inline void require_rules(const scheme& options, const char* caller)
{
    const auto& rules = options.rules;
    const bool integer = options.grid == element_grid::integer, rounded = options.scale == scale_type::e8m0 || options.scale == scale_type::e4m3;
    const bool two_sided = rules.base == scale_base::span, exponent = rules.base >= scale_base::power_floor;
    if (!integer) {
        const grid_format& format = format_of(options.grid);
        require(options.bits == format.bits, "{}: scheme.bits is {}, expected {} for the grid {}", caller, options.bits, format.bits, format.name);
        require(options.symmetric && (rules.base == scale_base::codes || rules.base == scale_base::largest || exponent),
                "{}: the scheme has the grid {}, expected a symmetric code and a scale of max|w|", caller, format.name);
    }
    if (integer && rules.base == scale_base::codes) {
        require(rules == scale_rules{} && !rounded, "{}: scheme.rules or the type of the scale are those of a runtime and rules.base is codes, expected another base", caller);
        require(options.rounding <= rounding_mode::stochastic, "{}: scheme.rounding is one of runtimes and rules.base is codes, expected another base", caller);
        return;
    }
    require(options.search == range_search::whole || (!exponent && rules.global == global_scale::none),
            "{}: scheme.search is set, expected none for scales that are powers of two or go with one of the tensor: their rules leave no choice", caller);
    require(integer || options.rounding != rounding_mode::half_up, "{}: scheme.rounding is half_up, expected that of integer codes only", caller);
    require(options.rounding != rounding_mode::stochastic, "{}: scheme.rounding is stochastic, expected that of plain integer codes only", caller);
    require(options.symmetric != two_sided, "{}: scheme.symmetric and rules.base contradict each other, expected base span for asymmetric codes only", caller);
    require(exponent == (options.scale == scale_type::e8m0), "{}: scheme.scale and rules.base contradict each other, expected powers of two for scales of e8m0 only", caller);
    require((rules.global != global_scale::none) == (options.scale == scale_type::e4m3),
            "{}: scheme.scale and rules.global contradict each other, expected a scale of the tensor for scales of e4m3 only", caller);
    require(options.bits <= 8, "{}: scheme.bits is {}, expected 2 to 8 for the rules of a runtime", caller, options.bits);
    require(options.scale != scale_type::f64, "{}: scheme.scale is f64, expected that of plain integer codes only: other scales are computed in float", caller);
}

}  // namespace detail

/// Throws unless `options` describes a code that exists.
///
/// @param caller  such as "quantize_uniform(weights, scheme)", for the message
/// @param rank    of the tensor
inline void require_scheme(const scheme& options, const char* caller, std::size_t rank)
{
    require((options.bits >= 2 && options.bits <= 8) || options.bits == 16, "{}: scheme.bits is {}, expected 2 to 8 or 16", caller,
            options.bits);
    require(options.symmetric || !options.full_range, "{}: scheme.full_range is set and scheme.symmetric is not, expected full_range "
            "for symmetric codes only: asymmetric ones always use all codes", caller);
    if (options.granularity == scale_granularity::per_group)
        require(options.group_size > 0, "{}: scheme.group_size is 0, expected 1 or more", caller);
    if (options.granularity == scale_granularity::per_channel)
        require(options.channel_axis < rank || options.channel_axis == 0,
                "{}: scheme.channel_axis is {}, expected below the rank of the weights, {}", caller, options.channel_axis, rank);
    if (options.granularity == scale_granularity::per_block)
        require(options.block_rows > 0 && options.block_cols > 0, "{}: scheme's blocks are {} x {}, expected 1 x 1 or more", caller,
                options.block_rows, options.block_cols);
    if (options.search == range_search::percentile)
        require(options.percentile > 0 && options.percentile <= 100, "{}: scheme.percentile is {}, expected above 0 and at most 100",
                caller, options.percentile);
    if (options.search == range_search::p_norm)
        require(options.norm > 0 && std::isfinite(options.norm), "{}: scheme.norm is {}, expected above 0 and finite", caller, options.norm);
    detail::require_rules(options, caller);
}

}  // namespace weightscope
