#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

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

WEIGHTSCOPE_INLINE convolution_norm_result convolution_norm(const convolution_weights& w, std::span<const std::size_t> kernel, double max_magnitude,
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

}  // namespace weightscope::detail
