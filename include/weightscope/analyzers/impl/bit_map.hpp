#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_floats.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>

namespace weightscope::detail {

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

WEIGHTSCOPE_INLINE bit_map_result map_bits(const bit_codes& codes, const bit_map_options& options)
{
    if (codes.layout.bits <= 16)
        return map_bits_by_code(codes, options);
    if (codes.layout == bit_layout_of<float>())
        return map_bits_of_floats(codes.as<std::uint32_t>(), options);
    return codes.layout.kind == code_kind::floating ? map_bits_one_by_one(codes, options) : map_bits_of_integers(codes, options);
}

}  // namespace weightscope::detail
