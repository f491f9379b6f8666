#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct convolution_norm_options
{
    std::size_t input_size = 32;  ///< extent of the layer's input in each dimension of the kernel
    std::size_t groups = 1;       ///< of channels that do not mix; their number divides that of the outputs
};

struct convolution_norm_result
{
    double operator_norm = 0;           ///< largest singular value of the layer as a map from input to output
    double min_singular_value = 0;      ///< smallest one; min(out, in) of them at each frequency
    std::size_t frequency_count = 0;    ///< how many different ones there were to look at
};

namespace detail {

WEIGHTSCOPE_INLINE convolution_norm_result convolution_norm(const convolution_weights& w, std::span<const std::size_t> kernel, double max_magnitude,
                                                            const convolution_norm_options& options);

}  // namespace detail

/// The norm of a convolution as the linear map that it is, with stride 1 and circular padding, instead of that of its reshaped weights.
///
///     max over frequencies ω of σ_max(Σ_tap W_tap exp(-2πi ω · tap / input_size))
///
/// Exact for that padding. Padded with zeros, the layer's norm is at most what this gives for an input larger by the kernel's extent - 1.
///
/// @param weights  [out, in / groups, kernel...], rank 3 or more; finite
/// @param options  see convolution_norm_options
/// @return         see convolution_norm_result
/// @throws std::invalid_argument  rank below 3, an entry is not finite, input_size or groups is 0, or groups does not divide out
/// @note           half of input_size^d frequencies, each with the singular values of a matrix [2 out / groups, 2 in / groups], in
///                 parallel; a copy in double and one such matrix for each thread
/// @see            Sedghi, Gupta & Long 2019, arXiv:1805.10408
template <tensor W>
[[nodiscard]] convolution_norm_result analyze_convolution_norm(const W& weights, const convolution_norm_options& options = {})
{
    require(weights.dimension() >= 3, "analyze_convolution_norm(weights): weights have rank {}, expected 3 or more", weights.dimension());
    require(options.input_size > 0, "analyze_convolution_norm(weights, options): options.input_size is 0, expected 1 or more");
    require(options.groups > 0 && weights.shape(0) % options.groups == 0,
            "analyze_convolution_norm(weights, options): options.groups is {}, expected a divisor of the {} outputs", options.groups,
            weights.shape(0));
    const std::vector<std::size_t> kernel(weights.shape().begin() + 2, weights.shape().end());
    return detail::with_source(weights, [&](const detail::weight_source& elements) {
        const double largest = detail::max_magnitude(elements);
        require(std::isfinite(largest), "analyze_convolution_norm(weights): an entry is {}, expected finite", largest);
        return detail::convolution_norm(detail::convolution_of(elements, weights.shape(0), weights.shape(1)), kernel, largest, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/convolution_norm.hpp>
#endif
