#pragma once

#include <weightscope/cuda/error.cuh>

#include <cmath>
#include <span>

#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/singular_values.cuh>
#include <weightscope/cuda/solver.cuh>
#include <weightscope/cuda/view.cuh>

namespace weightscope {

/// analyze_spectral for a matrix in the memory of a device.
///
/// @param weights  float, float16, bfloat16 or a type of 8 bits
/// @param options  see spectral_options; shuffles of marchenko_pastur are for the host
/// @param solver   of the same stream
/// @return         see spectral_result; metrics are missing with a reason where an entry is not finite
/// @throws std::invalid_argument  no matrix, or options that only the host knows
/// @throws cuda_error             a call of CUDA failed
/// @note           cost, memory and accuracy as in analyze_singular_values
template <class T>
[[nodiscard]] spectral_result analyze_spectral(const device_view<T>& weights, const spectral_options& options, cuda_solver& solver)
{
    detail::require_view(weights, "analyze_spectral(weights)");
    require(weights.is_matrix, "analyze_spectral(weights): weights have rank 0 or 1, expected 2 or more");
    require(weights.stream == solver.stream(), "analyze_spectral(weights, options, solver): the solver is of another stream than the weights");
    require(!options.marchenko_pastur || options.marchenko_pastur->shuffles == 0,
            "analyze_spectral(weights, options): options.marchenko_pastur asks for shuffles, expected none; the host's function shuffles");
    solver.workspace().start_call();
    const double largest = detail::largest_magnitudes(std::span(&weights, 1), solver.workspace()).front();
    if (!std::isfinite(largest)) {
        constexpr const char* reason = "entries that are not finite";
        spectral_result result = detail::no_spectrum(weights.rows, weights.cols, reason);
        if (options.heavy_tail)
            result.heavy_tail = detail::no_heavy_tail(reason);
        if (options.marchenko_pastur)
            result.marchenko_pastur = detail::no_marchenko_pastur(reason);
        return result;
    }
    spectral_result result = detail::spectral_of(detail::singular_values(weights, largest, {}, solver), weights.rows, weights.cols, options);
    if (options.heavy_tail)
        result.heavy_tail = detail::heavy_tail_of(result.singular_values, *options.heavy_tail);
    if (options.marchenko_pastur)
        result.marchenko_pastur = detail::marchenko_pastur_of(result.singular_values, weights.rows, weights.cols);
    return result;
}

template <class T>
[[nodiscard]] spectral_result analyze_spectral(const device_view<T>& weights, const spectral_options& options = {})
{
    cuda_solver solver(weights.stream);
    return analyze_spectral(weights, options, solver);
}

}  // namespace weightscope
