#pragma once
// The second pass of survey_streamed.hpp: single values of the wanted bins, and the sums of the quantization error.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/wanted_bins.hpp>
#include <weightscope/core/bin_magnitudes.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// Of weights that are all finite; every step as written, for weights where the fast kernel below is not sure.
template <class T>
struct quantization_error_kernel
{
    [[gnu::always_inline]] void operator()(const T* weights, std::size_t count, quantization_error_sums* sums) const
    {
        const double scale = sums->scale;
        for (std::size_t i = 0; i < count; ++i) {
            const double x = static_cast<double>(weights[i]), error = x - std::nearbyint(x / scale) * scale;
            sums->squared_error += error * error;
            sums->absolute_error += std::fabs(error);
            sums->signal_error += x * error;
        }
    }
};

// What one block adds, and the largest error met.
struct block_errors
{
    double squared = 0, absolute = 0, signal = 0, largest = 0;
};

// The quantization error of a block, and its groups of neighbours that hold a weight of a wanted bin, in one loop that keeps the
// floating-point and the scalar units busy. Multiplies by 1 / scale where the definition divides: the code may differ only next
// to a tie, where the error is half a step, which `largest` tells.
template <class T, bool WithErrors, bool WithBins>
struct second_pass_kernel
{
    static constexpr std::size_t width = simd<T>::width;
    static constexpr std::size_t doubles = simd<double>::width;

    // wanted: 1 by the 16 bits of a weight of a wanted bin, else 0; groups: receives the numbers of the groups that hold such
    // weights, the last and incomplete one in any case. Returns how many.
    [[gnu::always_inline]] std::size_t operator()(const T* weights, std::size_t count, double scale, const std::uint8_t* wanted,
                                                  std::uint16_t* groups, block_errors* errors) const
    {
        const std::size_t whole = count - count % width;
        const double inverse = 1 / scale;
        simd_vector<double> squared = {}, absolute = {}, signal = {}, largest = {};
        std::size_t found = 0;
        for (std::size_t i = 0; i < whole; i += width) {
            const T* group = weights + i;
            if constexpr (WithErrors) {
#pragma GCC unroll 2
                for (std::size_t part = 0; part < width; part += doubles) {
                    simd_vector<double> x, error;
                    widen(group + part, x);
                    const simd_vector<double> steps = x * inverse;
                    error = x - simd_vector<double>{std::nearbyint(steps[0]), std::nearbyint(steps[1]), std::nearbyint(steps[2]),
                                                    std::nearbyint(steps[3])} * scale;
                    squared += error * error;
                    signal += x * error;
                    take_magnitudes(error);
                    absolute += error;
                    largest = error > largest ? error : largest;
                }
            }
            if constexpr (WithBins) {
                groups[found] = static_cast<std::uint16_t>(i / width);
                found += any_wanted(group, wanted);
            }
        }
        for (std::size_t l = 0; l < doubles; ++l) {
            errors->squared += squared[l];
            errors->absolute += absolute[l];
            errors->signal += signal[l];
            errors->largest = largest[l] > errors->largest ? largest[l] : errors->largest;
        }
        for (std::size_t i = whole; i < count; ++i) {
            if constexpr (WithErrors) {
                const double x = static_cast<double>(weights[i]), error = x - std::nearbyint(x * inverse) * scale, size = std::fabs(error);
                errors->squared += error * error;
                errors->absolute += size;
                errors->signal += x * error;
                errors->largest = size > errors->largest ? size : errors->largest;
            }
        }
        if (WithBins && whole < count)
            groups[found++] = static_cast<std::uint16_t>(whole / width);
        return found;
    }

private:
    // 1 or 0
    [[gnu::always_inline]] static std::uint8_t any_wanted(const T* group, const std::uint8_t* wanted)
    {
        std::uint8_t any = 0;
        if constexpr (sizeof(T) == 4) {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < width; i += 2) {  // two floats at a time: half the loads
                std::uint64_t pair;
                std::memcpy(&pair, group + i, sizeof pair);
                any |= wanted[(pair >> 16) & 0xffff];
                any |= wanted[pair >> 48];
            }
        } else {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < width; ++i)
                any |= wanted[signed_magnitude_bin(group[i])];
        }
        return any;
    }
};

// An entry that is not finite counts as 0, which has no error.
template <class T>
void add_errors_as_defined(const T* weights, std::size_t count, quantization_error_sums& sums)
{
    T finite[block_elements];
    std::transform(weights, weights + count, finite, [](T w) { return std::isfinite(w) ? w : T{0}; });
    dispatch(quantization_error_kernel<T>{}, static_cast<const T*>(finite), count, &sums);
}

// One block: errors where the sums have a scale, candidates where there is somebody to take them.
template <class T>
void take_block(const T* weights, std::size_t count, const wanted_bins_table& wanted, quantization_error_sums& sums, bin_contents<T>* contents)
{
    std::uint16_t groups[block_elements / simd<T>::width + 1];
    block_errors errors;
    const bool with_errors = sums.scale > 0;
    const auto run = [&](auto kernel) { return dispatch(kernel, weights, count, sums.scale, wanted.members.data(), groups + 0, &errors); };
    const std::size_t found = !contents     ? run(second_pass_kernel<T, true, false>{})
                              : with_errors ? run(second_pass_kernel<T, true, true>{})
                                            : run(second_pass_kernel<T, false, true>{});
    if (contents)
        contents->collect(std::span(weights, count), std::span(groups, found), wanted);
    if (!with_errors)
        return;
    // errors of codes of up to 16 bits are exact to 2^15 · 2^-53 of a step
    const bool sure = errors.largest < (0.5 - 1e-11) * sums.scale && std::isfinite(errors.squared);
    if (!sure)
        return add_errors_as_defined(weights, count, sums);
    sums.squared_error += errors.squared;
    sums.absolute_error += errors.absolute;
    sums.signal_error += errors.signal;
}

// Reads all weights once for every 64 wanted bins, and at least once if `errors` has a scale; adds to its sums.
template <class T>
std::map<std::size_t, bin_magnitudes> second_pass(std::span<const T> weights, std::span<const wanted_bin> wanted,
                                                  quantization_error_sums& errors)
{
    std::map<std::size_t, bin_magnitudes> contents;
    bool errors_wanted = errors.scale > 0;
    while (!wanted.empty() || errors_wanted) {
        const auto resolved = wanted.first(std::min(wanted.size(), resolved_at_once));
        wanted = wanted.subspan(resolved.size());
        const wanted_bins_table table(resolved);
        per_thread<bin_contents<T>> threads([resolved] { return bin_contents<T>(resolved); });
        const auto partials = map_chunks(weights.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
            quantization_error_sums sums{.scale = errors_wanted ? errors.scale : 0};
            bin_contents<T>* own = resolved.empty() ? nullptr : &threads.local();
            for (; begin < end; begin += block_elements)
                take_block(weights.data() + begin, std::min(end - begin, block_elements), table, sums, own);
            return sums;
        });
        if (errors_wanted)
            for (const quantization_error_sums& part : partials) {
                errors.squared_error += part.squared_error;
                errors.absolute_error += part.absolute_error;
                errors.signal_error += part.signal_error;
            }
        errors_wanted = false;

        std::vector<const bin_contents<T>*> seen;  // walking through a per_thread is slow
        for (const bin_contents<T>& thread : threads)
            seen.push_back(&thread);
        std::vector<bin_magnitudes> magnitudes(resolved.size());
        parallel_for(resolved.size(), [&](std::size_t slot) {
            magnitudes[slot] = magnitudes_in<T>(seen, slot, magnitude_of_bin(resolved[slot].bin));
        });
        for (std::size_t slot = 0; slot < resolved.size(); ++slot)
            contents.emplace(resolved[slot].bin, std::move(magnitudes[slot]));
    }
    return contents;
}

}  // namespace weightscope::detail
