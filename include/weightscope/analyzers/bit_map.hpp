#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_floats.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>

namespace weightscope {

namespace detail {

// The sums of codes that are too many to be counted one by one, in the order of the codes.
inline bit_map_result begin_wide_map(const bit_codes& codes)
{
    bit_weight_sums weights;
    for (std::size_t i = 0; i < codes.size; ++i)
        weights.add(value_of_code(codes.layout, codes.at(i)), 1);
    return weights.begun();
}

// Whole numbers: each bit changes all of them by the same.
inline bit_map_result map_bits_of_integers(const bit_codes& codes, const bit_map_options& options)
{
    bit_map_result result = begin_wide_map(codes);
    for (unsigned bit = 0; bit < codes.layout.bits; ++bit) {
        bit_position_sums sums(bit_limits_of(result, options));
        if (codes.size > 0) {
            const bit_flip flip = flip_change(codes.layout, codes.at(0), bit);
            const double change = std::fabs(flip.change);
            sums.add_outcome(flip_outcome::finite, codes.size);
            sums.add_change(0, change, codes.size, 0);
            sums.set_values(flip.old_value, flip.new_value);
        }
        result.positions.push_back(sums.finished(class_of_bit(codes.layout, bit), bit));
    }
    return result;
}

// Doubles: bit by bit, weight by weight.
inline bit_map_result map_bits_one_by_one(const bit_codes& codes, const bit_map_options& options)
{
    bit_map_result result = begin_wide_map(codes);
    result.positions.resize(codes.layout.bits);
    parallel_for(result.positions.size(), [&](std::size_t i) {
        const auto bit = static_cast<unsigned>(i);
        bit_position_sums sums(bit_limits_of(result, options));
        for (std::size_t w = 0; w < codes.size; ++w) {
            const std::uint64_t code = codes.at(w);
            const double value = value_of_code(codes.layout, code);
            if (std::isfinite(value))
                sums.add(value, value_of_code(codes.layout, code ^ std::uint64_t{1} << bit), 1, w);
        }
        result.positions[i] = sums.finished(class_of_bit(codes.layout, bit), bit);
    });
    return result;
}

inline bit_map_result map_bits(const bit_codes& codes, const bit_map_options& options)
{
    if (codes.layout.bits <= 16)
        return map_bits_by_code(codes, options);
    if (codes.layout == bit_layout_of<float>())
        return map_bits_of_floats(codes.as<std::uint32_t>(), options);
    return codes.layout.kind == code_kind::floating ? map_bits_one_by_one(codes, options) : map_bits_of_integers(codes, options);
}

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
