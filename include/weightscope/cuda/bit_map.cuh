#pragma once

#include <weightscope/cuda/error.cuh>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/analyzers/bit_codes.hpp>
#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/bit_map_floats.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/survey_passes.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

namespace detail {

// first[b]: the least place of a number whose entry in `marks` has bit b; begins as all ones.
template <class Code>
__global__ void __launch_bounds__(256) find_first_marked(strided_numbers<Code> w, const unsigned short* marks, device_count* first)
{
    visit_numbers(w, [&](Code code, std::size_t place) {
        for (unsigned rest = marks[code], bit = 0; rest != 0; rest >>= 1, ++bit)
            if ((rest & 1u) != 0 && place < first[bit])
                atomicMin(first + bit, device_count{place});
    });
}

template <class T>
bit_map_result map_bits_on_device(const device_view<T>& view, const bit_map_options& options, cuda_workspace& workspace)
{
    using code_type = std::conditional_t<sizeof(T) == 1, unsigned char, unsigned short>;
    const bit_layout layout = bit_layout_of<T>();
    const std::vector<std::uint64_t> counts = pattern_counts_of(view, workspace);
    std::vector<double> values(counts.size());
    for (std::size_t code = 0; code < values.size(); ++code)
        values[code] = value_of_code(layout, code);
    bit_weight_sums weights;
    for (std::size_t code = 0; code < counts.size(); ++code)
        if (counts[code] > 0)
            weights.add(values[code], counts[code]);
    bit_map_result result = weights.begun();

    std::vector<unsigned short> marks(counts.size());  // by code: the bits whose largest change it has
    for (unsigned bit = 0; bit < layout.bits; ++bit) {
        const std::size_t flipped = std::size_t{1} << bit;
        const auto present = [&](std::size_t code) { return counts[code] > 0 && std::isfinite(values[code]); };
        bit_position_sums sums(bit_limits_of(result, options));
        for (std::size_t code = 0; code < counts.size(); ++code)
            if (present(code))
                sums.add(values[code], values[code ^ flipped], counts[code], 0);
        result.positions.push_back(sums.finished(class_of_bit(layout, bit), bit));
        const metric& most = result.positions.back().max_change;
        for (std::size_t code = 0; most.exists() && code < counts.size(); ++code)
            if (present(code) && std::isfinite(values[code ^ flipped]) && bit_position_sums::size_of(values[code], values[code ^ flipped]) == most.value)
                marks[code] |= static_cast<unsigned short>(flipped);
    }
    if (view.size() == 0)
        return result;

    constexpr unsigned threads = 128;
    auto* const marks_on_device = workspace.take<unsigned short>(marks.size());
    auto* const first_on_device = workspace.take<device_count>(layout.bits);
    copy_to_device(std::span<const unsigned short>(marks), marks_on_device, view.stream);
    check_cuda(cudaMemsetAsync(first_on_device, 0xff, layout.bits * sizeof(device_count), view.stream), "cudaMemsetAsync");
    // places in row-major order, whatever gaps the rows have
    const strided_numbers<code_type> numbers{reinterpret_cast<const code_type*>(view.data), view.rows, view.cols, view.row_stride};
    launch(find_first_marked<code_type>, "find_first_marked",
           {.grid = blocks_for(tile_count(numbers, threads), workspace.multiprocessors() * (2048 / threads)), .threads = threads, .stream = view.stream}, numbers,
           marks_on_device, first_on_device);
    std::vector<device_count> first(layout.bits);
    copy_to_host(static_cast<const device_count*>(first_on_device), std::span(first), view.stream);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    // the value of a code that has the mark is not known yet where several have it: it is that of the first place
    std::vector<T> at(layout.bits);
    for (unsigned bit = 0; bit < layout.bits; ++bit)
        if (result.positions[bit].max_change.exists())
            copy_to_host(view.data + first[bit] / view.cols * view.row_stride + first[bit] % view.cols, std::span(&at[bit], 1), view.stream);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    for (bit_position& position : result.positions) {
        if (!position.max_change.exists())
            continue;
        const std::size_t code = at[position.bit].bits;
        position.max_index = first[position.bit];
        position.max_old = values[code];
        position.max_new = values[code ^ std::size_t{1} << position.bit];
    }
    return result;
}

}  // namespace detail

/// analyze_bit_map for weights in the memory of a device: the same result as on the host.
///
/// @param weights    float, float16, bfloat16 or a type of 8 bits
/// @param options    see bit_map_options
/// @param workspace  of the same stream
/// @throws std::invalid_argument  an option out of range
/// @throws cuda_error             a call of CUDA failed
/// @note             two passes, three for float; waits for the stream
template <class T>
[[nodiscard]] bit_map_result analyze_bit_map(const device_view<T>& weights, const bit_map_options& options, cuda_workspace& workspace)
{
    detail::require_view(weights, "analyze_bit_map(weights, options)");
    require(options.rms_factor > 0, "analyze_bit_map(weights, options): rms_factor is {}, expected above 0", options.rms_factor);
    require(weights.stream == workspace.stream(), "analyze_bit_map(weights, options, workspace): the workspace is of another stream than the weights");
    workspace.start_call();
    if constexpr (std::is_same_v<T, float>)
        return detail::map_bits_of_floats(weights, options, workspace);
    else
        return detail::map_bits_on_device(weights, options, workspace);
}

template <class T>
[[nodiscard]] bit_map_result analyze_bit_map(const device_view<T>& weights, const bit_map_options& options = {})
{
    cuda_workspace workspace(weights.stream);
    return analyze_bit_map(weights, options, workspace);
}

}  // namespace weightscope
