#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct tap_spectra_result
{
    std::size_t tap_count = 0;                  ///< product of the kernel's extents
    std::vector<singular_values_result> taps = {};  ///< [tap_count] of the matrix [out, in] at each tap, the kernel row-major
};

namespace detail {

// A convolution's weights, [out, in, kernel...], as doubles.
struct convolution_weights
{
    std::vector<double> values;
    std::size_t out = 0, in = 0, taps = 0;

    double at(std::size_t o, std::size_t i, std::size_t tap) const { return values[(o * in + i) * taps + tap]; }
};

inline convolution_weights convolution_of(const weight_source& elements, std::size_t out, std::size_t in)
{
    return {to_doubles(elements), out, in, out * in > 0 ? elements.size / (out * in) : 0};
}

inline tap_spectra_result tap_spectra(const convolution_weights& w, double max_magnitude, const singular_values_options& options)
{
    tap_spectra_result result{.tap_count = w.taps};
    std::vector<double> tap(w.out * w.in);
    for (std::size_t t = 0; t < w.taps; ++t) {
        for (std::size_t k = 0; k < tap.size(); ++k)
            tap[k] = w.values[k * w.taps + t];
        result.taps.push_back(singular_values({source_of(std::span<const double>(tap)), w.out, w.in}, max_magnitude, options));
    }
    return result;
}

}  // namespace detail

/// The singular values of a convolution's weights tap by tap: of the matrix [out, in] at each position of the kernel.
///
/// Their largest ones do not bound the convolution's norm, nor do they add up to that of the reshaped matrix: see
/// analyze_convolution_norm for what the layer does to its input.
///
/// @param weights  [out, in, kernel...], rank 3 or more; finite
/// @param options  see singular_values_options
/// @return         see tap_spectra_result
/// @throws std::invalid_argument  rank below 3, or an entry is not finite
/// @note           a copy in double; cost as in analyze_singular_values, for each tap
template <tensor W>
[[nodiscard]] tap_spectra_result analyze_tap_spectra(const W& weights, const singular_values_options& options = {})
{
    require(weights.dimension() >= 3, "analyze_tap_spectra(weights): weights have rank {}, expected 3 or more", weights.dimension());
    return detail::with_source(weights, [&](const detail::weight_source& elements) {
        const double largest = detail::max_magnitude(elements);
        require(std::isfinite(largest), "analyze_tap_spectra(weights): an entry is {}, expected finite", largest);
        return detail::tap_spectra(detail::convolution_of(elements, weights.shape(0), weights.shape(1)), largest, options);
    });
}

}  // namespace weightscope
