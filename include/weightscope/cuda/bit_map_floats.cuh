#pragma once
// The flips of float on a device: the classes of the host's float_classes.hpp, added up by many threads.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_floats.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/analyzers/float_classes.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope::detail {

// What a device adds up for one class of floats; `first` is all ones where there is none.
struct device_float_class
{
    device_count count, sum, squares_low, squares_high, first;
    unsigned most;  // one more than the largest mantissa, 0 where there is none
};

// As float_class_kernel has it.
__device__ inline unsigned class_of_float(std::uint32_t bits)
{
    const std::uint32_t magnitude = bits & 0x7fffffffu, mantissa = bits & 0x7fffffu, exponent = magnitude >> 23;
    if (exponent == 0 && mantissa != 0)  // the exponent of the mantissa as a float is the place of its leading bit
        return static_cast<unsigned>(float_subnormal_classes) + (bits_as<std::uint32_t>(static_cast<float>(mantissa)) >> 23) - 126;
    const unsigned above = (mantissa >= 1) + (mantissa >= 129) + (mantissa >= 32897) + (mantissa >= 559241) + (mantissa >= 2796203);
    return exponent * static_cast<unsigned>(float_classes_per_exponent) + above;
}

// Tables of all classes, of which blocks take turns: so they seldom meet in one counter.
inline constexpr unsigned float_class_tables = 32;

template <class Bits>
__global__ void __launch_bounds__(256) add_float_classes(strided_numbers<Bits> w, device_float_class* tables)
{
    device_float_class* const own = tables + blockIdx.x % float_class_tables * float_class_count;
    visit_numbers(w, [&](Bits bits, std::size_t place) {
        const device_count mantissa = bits & 0x7fffffu, square = mantissa * mantissa;
        device_float_class& c = own[class_of_float(bits)];
        atomicAdd(&c.count, device_count{1});
        atomicAdd(&c.sum, mantissa);
        const device_count before = atomicAdd(&c.squares_low, square);
        if (before + square < before)
            atomicAdd(&c.squares_high, device_count{1});
        if (mantissa + 1 > c.most)
            atomicMax(&c.most, static_cast<unsigned>(mantissa + 1));
        if (place < c.first)
            atomicMin(&c.first, device_count{place});
    });
}

// most: [classes] as above, of all tables; first: begins as all ones.
template <class Bits>
__global__ void __launch_bounds__(256) find_first_of_most(strided_numbers<Bits> w, const unsigned* most, device_count* first)
{
    visit_numbers(w, [&](Bits bits, std::size_t place) {
        const unsigned c = class_of_float(bits);
        if ((bits & 0x7fffffu) + 1 == most[c] && place < first[c])
            atomicMin(first + c, device_count{place});
    });
}

// How many magnitudes, as codes, lie in each of some ranges [least, least + width].
struct code_range
{
    std::uint32_t least, width;
};

template <class Bits>
__global__ void __launch_bounds__(256) count_in_ranges(strided_numbers<Bits> w, const code_range* ranges, unsigned range_count, device_count* counts)
{
    constexpr unsigned at_once = 64;
    __shared__ device_count inside[at_once];
    __shared__ code_range known[at_once];
    for (unsigned begin = 0; begin < range_count; begin += at_once) {
        const unsigned size = range_count - begin < at_once ? range_count - begin : at_once;
        for (unsigned i = threadIdx.x; i < size; i += blockDim.x) {
            inside[i] = 0;
            known[i] = ranges[begin + i];
        }
        __syncthreads();
        visit_numbers(w, [&](Bits bits, std::size_t) {
            const std::uint32_t magnitude = bits & 0x7fffffffu;
            for (unsigned i = 0; i < size; ++i)
                if (magnitude - known[i].least <= known[i].width)
                    atomicAdd(inside + i, device_count{1});
        });
        __syncthreads();
        for (unsigned i = threadIdx.x; i < size; i += blockDim.x)
            if (inside[i] > 0)
                atomicAdd(counts + begin + i, inside[i]);
        __syncthreads();
    }
}

inline constexpr unsigned bit_map_threads = 128;

inline launch_shape bit_map_shape(const strided_numbers<std::uint32_t>& numbers, const cuda_workspace& workspace)
{
    return {.grid = blocks_for(tile_count(numbers, bit_map_threads), workspace.multiprocessors() * (2048 / bit_map_threads)),
            .threads = bit_map_threads,
            .stream = workspace.stream()};
}

// Waits twice.
inline std::vector<float_class> float_classes_on_device(const strided_numbers<std::uint32_t>& numbers, cuda_workspace& workspace)
{
    const launch_shape shape = bit_map_shape(numbers, workspace);
    auto* const tables = workspace.take<device_float_class>(float_class_tables * float_class_count);
    std::vector<device_float_class> found(float_class_tables * float_class_count, {0, 0, 0, 0, ~device_count{0}, 0});
    copy_to_device(std::span<const device_float_class>(found), tables, workspace.stream());
    launch(add_float_classes<std::uint32_t>, "add_float_classes", shape, numbers, tables);
    copy_to_host(static_cast<const device_float_class*>(tables), std::span(found), workspace.stream());
    check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");
    std::vector<unsigned> most(float_class_count);
    for (std::size_t i = 0; i < found.size(); ++i)
        most[i % float_class_count] = std::max(most[i % float_class_count], found[i].most);

    auto* const most_on_device = workspace.take<unsigned>(float_class_count);
    auto* const first_on_device = workspace.take<device_count>(float_class_count);
    copy_to_device(std::span<const unsigned>(most), most_on_device, workspace.stream());
    check_cuda(cudaMemsetAsync(first_on_device, 0xff, float_class_count * sizeof(device_count), workspace.stream()), "cudaMemsetAsync");
    launch(find_first_of_most<std::uint32_t>, "find_first_of_most", shape, numbers, most_on_device, first_on_device);
    std::vector<device_count> first_of_most(float_class_count);
    copy_to_host(static_cast<const device_count*>(first_on_device), std::span(first_of_most), workspace.stream());
    check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");

    std::vector<float_class> classes(float_class_count);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const std::size_t c = i % float_class_count;
        if (found[i].count > 0)
            classes[c].merge({.count = found[i].count,
                              .sum = found[i].sum,
                              .squares_low = found[i].squares_low,
                              .squares_high = found[i].squares_high,
                              .most = static_cast<std::int64_t>(most[c]) - 1,
                              .first_of_most = first_of_most[c],
                              .first = found[i].first});
    }
    return classes;
}

inline std::vector<std::uint64_t> count_ranges_on_device(const strided_numbers<std::uint32_t>& numbers, const std::vector<float_range>& ranges,
                                                         cuda_workspace& workspace)
{
    if (ranges.empty())
        return {};
    std::vector<code_range> codes;
    for (const float_range& range : ranges)
        codes.push_back({range.least, range.most - range.least});
    auto* const on_device = workspace.take<code_range>(codes.size());
    auto* const counts = workspace.take_zeros<device_count>(codes.size());
    copy_to_device(std::span<const code_range>(codes), on_device, workspace.stream());
    launch(count_in_ranges<std::uint32_t>, "count_in_ranges", bit_map_shape(numbers, workspace), numbers, on_device, static_cast<unsigned>(codes.size()), counts);
    std::vector<device_count> found(codes.size());
    copy_to_host(static_cast<const device_count*>(counts), std::span(found), workspace.stream());
    check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");
    return {found.begin(), found.end()};
}

// As the host's function of this name, of a view that has been checked.
inline bit_map_result map_bits_of_floats(const device_view<float>& view, const bit_map_options& options, cuda_workspace& workspace)
{
    // places in row-major order, whatever gaps the rows have
    const strided_numbers<std::uint32_t> numbers{reinterpret_cast<const std::uint32_t*>(view.data), view.rows, view.cols, view.row_stride};
    const std::vector<float_class> classes = view.size() > 0 ? float_classes_on_device(numbers, workspace) : std::vector<float_class>(float_class_count);
    const auto count_ranges = [&](const std::vector<float_range>& ranges) { return count_ranges_on_device(numbers, ranges, workspace); };
    const auto codes_at = [&](const std::vector<std::size_t>& indices) {
        std::vector<std::uint32_t> codes(indices.size());
        for (std::size_t i = 0; i < indices.size(); ++i)
            copy_to_host(numbers.data + indices[i] / view.cols * view.row_stride + indices[i] % view.cols, std::span(&codes[i], 1), view.stream);
        check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
        return codes;
    };
    return map_float_classes(classes, options, count_ranges, codes_at);
}

}  // namespace weightscope::detail
