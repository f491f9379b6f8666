#pragma once

#include <cstddef>
#include <span>

#include <weightscope/analyzers/bit_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bit_map_result map_bits(const bit_codes& codes, const bit_map_options& options);

}  // namespace detail

/// What a flip of each bit of each weight would do, without a run of the model: how many flips end at NaN or Inf, how large the changes
/// are, which one is the largest.
///
///     |change| = |decode(code xor 2^bit) - decode(code)|
///
/// @param weights  any rank, layout and weight scalar; the bits are those of its type
/// @param options  see bit_map_options
/// @return         see bit_map_result; all figures are exact counts, maxima and, up to rounding, means over all weights and bits
/// @throws std::invalid_argument  an option out of range
/// @note  entries that are not finite are counted and left out. Types of up to 16 bits: one pass and one that looks for the largest changes;
///        float: two passes; double: one pass for each bit; integers of 32 or 64 bits: one. Same result for any number of threads.
template <tensor W>
[[nodiscard]] bit_map_result analyze_bit_map(const W& weights, const bit_map_options& options = {})
{
    require(options.rms_factor > 0, "analyze_bit_map(weights, options): rms_factor is {}, expected above 0", options.rms_factor);
    return with_elements(weights, [&]<class T>(std::span<const T> elements) {
        return detail::map_bits({.data = reinterpret_cast<const std::byte*>(elements.data()), .size = elements.size(), .layout = bit_layout_of<T>()},
                                options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/bit_map.hpp>
#endif
