#pragma once
// Figures of a simulation that sums do not hold: the device writes a number for each weight, which others then count.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/scalar_format.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/device_ranges.cuh>
#include <weightscope/cuda/element_survey.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/scheme_groups.cuh>
#include <weightscope/cuda/simulation_output.cuh>
#include <weightscope/cuda/start_simulation.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/grid_details.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate.hpp>

namespace weightscope::detail {

template <class T>
std::vector<quantization_error> simulate_on_host(const device_view<T>& view, std::span<const scheme> schemes, const simulate_options& extras)
{
    const std::vector<T> weights = copy_of(view);
    std::vector<std::size_t> shape{view.rows, view.cols};
    if (view.kernel > 1)
        shape = {view.rows, view.cols / view.kernel, view.kernel};
    if (!view.is_matrix)
        shape = {view.cols};
    return simulate(source_of(std::span<const T>(weights)), shape, schemes, extras);
}

template <class T>
device_memory<float> simulated_numbers(const device_view<T>& view, const scheme& options, output_kind kind, cuda_workspace& workspace)
{
    workspace.start_call();
    device_ranges<T> ranges(view, workspace);
    device_memory<float> numbers(view.size(), view.stream);
    device_simulation simulation{.groups = group_grid_of(view, options), .total = workspace.take<device_error_sums>(1)};
    start_simulation(view, options, ranges.needed_for(options), {numbers.data(), kind}, simulation, workspace);
    return numbers;
}

// The 99.9th percentile of |e|. Waits.
template <class T>
metric error_percentile(const device_view<T>& view, const scheme& options, const error_sums& sums, cuda_workspace& workspace)
{
    if (sums.count == 0)
        return metric::missing("no finite entries");
    if (!std::isfinite(sums.squared_error))  // a survey leaves out what is not finite
        return simulate_on_host(view, std::span(&options, 1), {.p999 = true}).front().p999_error;
    const device_memory<float> sizes = simulated_numbers(view, options, output_kind::error_sizes, workspace);
    const device_view<float> all = view_of_device(static_cast<const float*>(sizes.data()), {sizes.size()}, view.stream);
    return survey_elements(all, element_questions{.percentiles = {0.999}}, workspace).percentiles.front();
}

// Sets a bit for each integer that occurs, or for the upper 16 bits of each float.
template <class Number>
__global__ void __launch_bounds__(256) mark_numbers(strided_numbers<Number> numbers, bool integers, unsigned* words)
{
    visit_numbers(numbers, [&](Number number, std::size_t) {
        const unsigned at = integers ? static_cast<unsigned>(number) : bits_as<std::uint32_t>(number) >> 16;
        if ((words[at / 32] >> at % 32 & 1u) == 0)
            atomicOr(words + at / 32, 1u << at % 32);
    });
}

// Share of all codes that occur. Waits.
template <class T>
metric codes_used_fraction(const device_view<T>& view, const scheme& options, cuda_workspace& workspace)
{
    const device_memory<float> numbers = simulated_numbers(view, options, output_kind::code_numbers, workspace);
    const device_view<float> all = view_of_device(static_cast<const float*>(numbers.data()), {numbers.size()}, view.stream);
    constexpr std::size_t patterns = 65536;
    const unsigned threads = workspace.threads(256);
    auto* const words = workspace.take_zeros<unsigned>(patterns / 32);
    launch(mark_numbers<float>, "mark_numbers",
           {.grid = blocks_for(tile_count(numbers_of<float>(all), threads), workspace.multiprocessors() * (2048 / threads)), .threads = threads,
            .stream = view.stream},
           numbers_of<float>(all), options.grid == element_grid::integer, words);
    const std::span<const unsigned> marks = workspace.to_host(static_cast<const unsigned*>(words), patterns / 32);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");

    const auto marked = [&](std::size_t pattern) { return (marks[pattern / 32] >> pattern % 32 & 1u) != 0; };
    std::size_t used = 0;
    if (options.grid == element_grid::integer) {
        for (const unsigned word : marks)
            used += static_cast<std::size_t>(std::popcount(word));
    } else if (options.grid == element_grid::nf4) {
        used = static_cast<std::size_t>(std::count_if(nf4_values.begin(), nf4_values.end(), [&](float value) { return marked(bits_as<std::uint32_t>(value) >> 16); }));
    } else {
        std::set<int> codes;
        for (std::uint32_t pattern = 0; pattern < patterns; ++pattern)
            if (marked(pattern))
                codes.insert(code_of_level(bits_as<float>(pattern << 16), 0, options));
        used = codes.size();
    }
    return static_cast<double>(used) / static_cast<double>(options.code_count());
}

}  // namespace weightscope::detail
