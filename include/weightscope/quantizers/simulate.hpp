#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// Figures that cost a pass of their own, and memory in the case of `channels` and `groups`.
struct simulate_options
{
    bool p999 = false;        ///< fill p999_error: three passes
    bool code_usage = false;  ///< fill codes_used_fraction: one pass
    bool channels = false;    ///< fill channels: one pass, the same one as for groups
    bool groups = false;      ///< fill groups
};

namespace detail {

WEIGHTSCOPE_INLINE std::vector<quantization_error> simulate(const weight_source& source, std::span<const std::size_t> shape,
                                                            std::span<const scheme> schemes, const simulate_options& options);

template <tensor W>
std::vector<quantization_error> simulate(const W& weights, const char* caller, std::span<const scheme> schemes, const simulate_options& options)
{
    const std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    for (const scheme& options_of_one : schemes)
        require_scheme(options_of_one, caller, shape.size());
    return with_source(weights, [&](const weight_source& source) { return simulate(source, shape, schemes, options); });
}

}  // namespace detail

/// What a scheme would lose, without storing anything.
///
///     const auto error = simulate_quantization(w, {.bits = 4, .granularity = scale_granularity::per_group});
///     if (error.sqnr_db.exists()) ...
///
/// @param weights  any rank, layout and weight scalar; seen as [out, in * kernel], below rank 2 as one row
/// @param options  see `scheme`
/// @param extras   figures that cost more
/// @return         see quantization_error: of the weights ŵ that `dequantize(quantize_uniform(weights, options))` gives; NaN and Inf
///                 are counted, and stand for zeros when scales are chosen
/// @throws std::invalid_argument  the scheme does not exist or does not fit the shape
/// @note one pass over the weights, two for per_tensor and for channels of another axis than 0. Weights are divided and decoded in float
///       where float holds them exactly (in double for f64 scales and wider weights), errors added up in double, to 1e-12, in an order
///       that does not depend on the number of threads; from 2^20 floats on, for codes of up to 8 bits in every grid, 32 of them are added
///       up in float first, to 1e-8 (1e-7 where the same few weights come again and again: their sums are rounded alike). Memory beyond a
///       row or a block of rows only where a range is searched for per tensor. Other grids and the rules of runtimes compute in float:
///       wider weights are rounded to it before they are divided; the scale of NVFP4's tensor takes a pass more; a search for the range
///       of their groups tries a hundred of them
/// @see simulate_sweep for many schemes at once
template <tensor W>
[[nodiscard]] quantization_error simulate_quantization(const W& weights, const scheme& options = {}, const simulate_options& extras = {})
{
    return detail::simulate(weights, "simulate_quantization(weights, scheme)", std::span(&options, 1), extras).front();
}

/// simulate_quantization for many schemes, which share a pass over the weights wherever their groups lie within rows.
///
/// @param schemes  any number; channels of other axes than 0, blocks, f64 scales, other grids and the rules of runtimes take passes of
///                 their own
/// @return         one for each scheme, in their order, equal to what simulate_quantization gives for it up to the order of sums
template <tensor W>
[[nodiscard]] std::vector<quantization_error> simulate_sweep(const W& weights, std::span<const scheme> schemes, const simulate_options& extras = {})
{
    return detail::simulate(weights, "simulate_sweep(weights, schemes)", schemes, extras);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/simulate.hpp>
#endif
