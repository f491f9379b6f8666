#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
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

// The frequencies of a grid with `input_size` points in each dimension, as angles per step [dimension]; of two that are conjugate one
// is kept, and in a dimension in which the kernel has one tap they are all alike.
inline std::vector<std::vector<double>> frequencies_of(std::span<const std::size_t> kernel, std::size_t input_size)
{
    std::vector<std::size_t> index(kernel.size(), 0), mirrored(kernel.size());
    std::vector<std::vector<double>> result;
    const auto extent = [&](std::size_t d) { return kernel[d] > 1 ? input_size : 1; };
    for (;;) {
        std::vector<double> angles;
        for (std::size_t d = 0; d < kernel.size(); ++d) {
            mirrored[d] = (extent(d) - index[d]) % extent(d);
            angles.push_back(2 * std::numbers::pi * static_cast<double>(index[d]) / static_cast<double>(extent(d)));
        }
        if (index <= mirrored)
            result.push_back(std::move(angles));
        std::size_t d = kernel.size();
        while (d > 0 && ++index[d - 1] == extent(d - 1))
            index[--d] = 0;
        if (d == 0)
            return result;
    }
}

// [[Re, -Im], [Im, Re]] of Σ_tap W_tap exp(-i angles · tap) for outputs [first, first + count): each singular value of the complex
// matrix comes twice.
inline std::vector<double> transfer_matrix(const convolution_weights& w, std::size_t first, std::size_t count,
                                           std::span<const std::size_t> kernel, std::span<const double> angles)
{
    std::vector<double> cosines(w.taps), sines(w.taps);
    for (std::size_t t = 0; t < w.taps; ++t) {
        double phase = 0;
        for (std::size_t d = kernel.size(), rest = t; d-- > 0; rest /= kernel[d])
            phase -= angles[d] * static_cast<double>(rest % kernel[d]);
        cosines[t] = std::cos(phase);
        sines[t] = std::sin(phase);
    }
    std::vector<double> matrix(4 * count * w.in);
    for (std::size_t o = 0; o < count; ++o)
        for (std::size_t i = 0; i < w.in; ++i) {
            double re = 0, im = 0;
            for (std::size_t t = 0; t < w.taps; ++t) {
                re += w.at(first + o, i, t) * cosines[t];
                im += w.at(first + o, i, t) * sines[t];
            }
            matrix[o * 2 * w.in + i] = matrix[(count + o) * 2 * w.in + w.in + i] = re;
            matrix[(count + o) * 2 * w.in + i] = im;
            matrix[o * 2 * w.in + w.in + i] = -im;
        }
    return matrix;
}

inline convolution_norm_result convolution_norm(const convolution_weights& w, std::span<const std::size_t> kernel, double max_magnitude,
                                                const convolution_norm_options& options)
{
    if (w.values.empty())
        return {};
    const auto frequencies = frequencies_of(kernel, options.input_size);
    const std::size_t count = w.out / options.groups;
    std::vector<double> largest(frequencies.size() * options.groups), smallest(largest.size());
    const double bound = max_magnitude * static_cast<double>(w.taps);
    const blas_threads one(1);
    parallel_for(largest.size(), [&](std::size_t k) {
        const auto matrix = transfer_matrix(w, k % options.groups * count, count, kernel, frequencies[k / options.groups]);
        const auto values = singular_values({source_of(std::span<const double>(matrix)), 2 * count, 2 * w.in}, bound, {}).values;
        largest[k] = values.front();
        smallest[k] = values.back();
    });
    return {.operator_norm = *std::max_element(largest.begin(), largest.end()),
            .min_singular_value = *std::min_element(smallest.begin(), smallest.end()),
            .frequency_count = frequencies.size()};
}

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
