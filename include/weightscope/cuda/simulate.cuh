#pragma once

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/device_ranges.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/scheme_groups.cuh>
#include <weightscope/cuda/simulation_details.cuh>
#include <weightscope/cuda/start_simulation.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate.hpp>

namespace weightscope {

namespace detail {

inline error_sums error_sums_of(const device_error_sums& sums)
{
    return {.count = sums.count,
            .non_finite_count = sums.non_finite_count,
            .clipped_count = sums.clipped_count,
            .flushed_count = sums.flushed_count,
            .signal = sums.signal,
            .squared_error = sums.squared_error,
            .absolute_error = sums.absolute_error,
            .error = sums.error,
            .signal_error = sums.signal_error,
            .max_error = sums.max_error,
            .max_magnitude = sums.max_magnitude};
}

template <class T>
std::vector<quantization_error> simulate_on_device(const device_view<T>& view, const char* caller, std::span<const scheme> schemes,
                                                   const simulate_options& extras, float* decoded, cuda_workspace& workspace)
{
    require_view(view, caller);
    require(view.stream == workspace.stream(), "{}: the workspace is of another stream than the weights", caller);
    for (const scheme& options : schemes)
        require_scheme(options, caller, view.is_matrix ? 2 : 1);
    if (view.size() == 0)
        return simulate_on_host(view, schemes, extras);
    std::vector<quantization_error> results(schemes.size());
    workspace.start_call();
    auto* const totals = workspace.take<device_error_sums>(schemes.size());
    device_ranges<T> ranges(view, workspace);
    std::vector<device_simulation> simulations(schemes.size());
    std::vector<std::span<const device_error_sums>> groups(schemes.size()), rows(schemes.size());
    for (std::size_t i = 0; i < schemes.size(); ++i) {
        device_simulation& simulation = simulations[i];
        simulation = {.groups = group_grid_of(view, schemes[i]), .total = totals + i};
        const bool rows_too = extras.channels && groups_are_blocks(schemes[i]);
        if (extras.groups || (extras.channels && !rows_too))
            simulation.of_groups = workspace.take<device_error_sums>(simulation.groups.count);
        if (rows_too)
            simulation.of_rows = workspace.take<device_error_sums>(view.rows);
        start_simulation(view, schemes[i], ranges.needed_for(schemes[i]), {decoded}, simulation, workspace);
        groups[i] = workspace.to_host(static_cast<const device_error_sums*>(simulation.of_groups), simulation.of_groups ? simulation.groups.count : 0);
        rows[i] = workspace.to_host(static_cast<const device_error_sums*>(simulation.of_rows), simulation.of_rows ? view.rows : 0);
    }
    const std::span<const device_error_sums> found = workspace.to_host(static_cast<const device_error_sums*>(totals), schemes.size());
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    for (std::size_t i = 0; i < schemes.size(); ++i) {
        results[i] = summarize_error(error_sums_of(found[i]));
        const bool one_group = schemes[i].granularity == scale_granularity::per_tensor;
        if (extras.channels)
            results[i].channels.resize(view.rows);
        if (extras.groups)
            results[i].groups.resize(one_group ? 1 : groups[i].size());
        for (std::size_t row = 0; row < rows[i].size(); ++row)
            results[i].channels[row] = error_sums_of(rows[i][row]);
        for (std::size_t g = 0; g < groups[i].size(); ++g) {
            const error_sums sums = error_sums_of(groups[i][g]);
            if (extras.channels && rows[i].empty())
                results[i].channels[g / simulations[i].groups.per_row] += sums;
            if (extras.groups)
                results[i].groups[one_group ? 0 : g] += sums;
        }
    }
    for (std::size_t i = 0; i < schemes.size(); ++i) {
        if (extras.p999)
            results[i].p999_error = error_percentile(view, schemes[i], results[i].sums, workspace);
        if (extras.code_usage)
            results[i].codes_used_fraction = codes_used_fraction(view, schemes[i], workspace);
    }
    return results;
}

}  // namespace detail

/// simulate_quantization for weights in the memory of a device.
///
///     const quantization_error error = simulate_quantization(w, parse_scheme("nvfp4"));
///
/// @param weights    float, float16, bfloat16 or a type of 8 bits
/// @param options    every scheme of the host
/// @param extras     p999 and code_usage simulate once more each, and need 4 bytes for each weight
/// @param decoded    [rows, cols] float in the memory of the device, which receives ŵ, 0 where w is not finite; or null
/// @param workspace  of the same stream
/// @return           counts, maxima and decoded weights are exactly those of the host's function, sums differ by their order: less than
///                   1e-12 of the sum of magnitudes. So they are where ranges are searched for by percentile, by mse in groups that the
///                   host searches through exactly, and in other grids, unless two ranges leave errors that differ by rounding alone.
///                   Elsewhere the same ranges are tried and judged by sums in double, where the host's are in float: the error that is left
///                   is then at most 0.5 percent more than the host's, and may be less
/// @throws std::invalid_argument  a scheme that does not exist
/// @throws cuda_error             a call of CUDA failed
/// @note             one read of the weights for groups of up to 128, two for larger ones, of which the second finds rows of up to some
///                   64 KiB in caches; two for blocks and channels of axis 1. A search goes through each group hundreds to thousands of times,
///                   on one multiprocessor, also where the group is the whole tensor; so does, a few times, a scale that follows from the
///                   first of the largest weights in groups of more than 128. Waits for the stream. Same bits from run to run on one kind
///                   of device
template <class T>
[[nodiscard]] quantization_error simulate_quantization(const device_view<T>& weights, const scheme& options, const simulate_options& extras,
                                                       float* decoded, cuda_workspace& workspace)
{
    return detail::simulate_on_device(weights, "simulate_quantization(weights, scheme)", std::span(&options, 1), extras, decoded, workspace).front();
}

template <class T>
[[nodiscard]] quantization_error simulate_quantization(const device_view<T>& weights, const scheme& options = {}, const simulate_options& extras = {},
                                                       float* decoded = nullptr)
{
    cuda_workspace workspace(weights.stream);
    return simulate_quantization(weights, options, extras, decoded, workspace);
}

/// simulate_quantization for many schemes, which the device works on one after the other and the host waits for once.
template <class T>
[[nodiscard]] std::vector<quantization_error> simulate_sweep(const device_view<T>& weights, std::span<const scheme> schemes,
                                                             const simulate_options& extras, cuda_workspace& workspace)
{
    return detail::simulate_on_device(weights, "simulate_sweep(weights, schemes)", schemes, extras, nullptr, workspace);
}

template <class T>
[[nodiscard]] std::vector<quantization_error> simulate_sweep(const device_view<T>& weights, std::span<const scheme> schemes,
                                                             const simulate_options& extras = {})
{
    cuda_workspace workspace(weights.stream);
    return simulate_sweep(weights, schemes, extras, workspace);
}

}  // namespace weightscope
