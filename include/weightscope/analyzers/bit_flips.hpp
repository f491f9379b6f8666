#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct bit_flips_options
{
    int least_excess_bits = 8;       ///< a suspect is at least 2^this times the largest weight that is none; 1 or more
    std::size_t most_suspects = 8;   ///< where more weights stand apart they are taken for a tail, not for flips; 1 to 64
};

/// Weights that look like others with one bit of their exponent set. Figures other than the counts are those of the largest one.
struct bit_flips_result
{
    std::size_t suspect_count = 0;
    metric excess_bits = {};      ///< log2(|value| / next_magnitude); missing without a suspect
    metric value = {};            ///< as stored
    metric restored = {};         ///< with the bit cleared
    metric next_magnitude = {};   ///< the largest |w| that is no suspect
    std::size_t index = 0;        ///< row-major
    int exponent_bit = 0;         ///< the bit of the exponent field, 0 the lowest: clearing it divides by 2^(2^bit)
};

namespace detail {

struct placed_magnitude
{
    double magnitude = 0;
    std::size_t index = 0;
};

// The `limit` largest finite magnitudes, largest first, the earlier one first where they are equal.
WEIGHTSCOPE_INLINE std::vector<placed_magnitude> largest_magnitudes(const weight_source& w, std::size_t limit);

WEIGHTSCOPE_INLINE bit_flips_result detect_bit_flips(const weight_source& w, const bit_flips_options& options);

}  // namespace detail

/// Looks for weights that one flipped bit of the exponent explains: some few that are 2^8 times all others, and would be among them with
/// that bit cleared.
///
///     |w_1| >= ... >= |w_k| >= 2^least_excess_bits |w_{k+1}|,   |w_i| / 2^(2^bit) in [2^-16 |w_{k+1}|, |w_{k+1}|]
///
/// @param weights  any rank, layout and floating-point or storage scalar; integers have no exponent, and no suspects
/// @param options  see bit_flips_options
/// @return         see bit_flips_result; entries that are not finite are passed by
/// @throws std::invalid_argument  an option out of range
/// @note           one pass over the data; same result for any number of threads
template <tensor W>
[[nodiscard]] bit_flips_result detect_bit_flips(const W& weights, const bit_flips_options& options = {})
{
    require(options.least_excess_bits >= 1, "detect_bit_flips(weights, options): least_excess_bits is {}, expected 1 or more",
            options.least_excess_bits);
    require(options.most_suspects >= 1 && options.most_suspects <= 64,
            "detect_bit_flips(weights, options): most_suspects is {}, expected 1 to 64", options.most_suspects);
    return detail::with_source(weights, [&](const auto& source) { return detail::detect_bit_flips(source, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/bit_flips.hpp>
#endif
