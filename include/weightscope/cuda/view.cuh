#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/core/scalars.hpp>

namespace weightscope {

/// A tensor in the memory of a device: [rows, cols] numbers, rows `row_stride` apart. Refers to the numbers, owns nothing.
///
///     device_view<bfloat16> w = view_of_device(pointer, {4096, 11008}, stream);
///     const basic_stats_result stats = analyze_basic_stats(w);
///
/// Functions of such views give work to `stream` and wait for it only where they return a number of the host.
template <class T>
struct device_view
{
    const T* data = nullptr;
    std::size_t rows = 1;           ///< a tensor [out, in, kernel...] has rows = out, one of rank 0 or 1 a single row
    std::size_t cols = 0;
    std::size_t row_stride = 0;     ///< numbers from one row to the next, at least cols
    cudaStream_t stream = nullptr;
    bool is_matrix = true;          ///< rank 2 or more
    std::size_t kernel = 1;         ///< neighbours of a row that share an index of the second axis: those of [in, kernel...]

    [[nodiscard]] std::size_t size() const noexcept { return rows * cols; }
    [[nodiscard]] bool contiguous() const noexcept { return rows <= 1 || row_stride == cols; }
};

/// A view of row-major numbers that lie next to each other.
///
/// @param data    in memory of the device
/// @param shape   extents; rank 2 or more is seen as [out, in * kernel]
/// @param stream  that the numbers will be read in
template <class T>
[[nodiscard]] device_view<T> view_of_device(const T* data, std::span<const std::size_t> shape, cudaStream_t stream = nullptr)
{
    device_view<T> view{.data = data, .rows = 1, .cols = 1, .stream = stream, .is_matrix = shape.size() >= 2};
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
        (axis == 0 && shape.size() > 1 ? view.rows : view.cols) *= shape[axis];
    for (std::size_t axis = 2; axis < shape.size(); ++axis)
        view.kernel *= shape[axis];
    view.row_stride = view.cols;
    return view;
}

template <class T>
[[nodiscard]] device_view<T> view_of_device(const T* data, std::initializer_list<std::size_t> shape, cudaStream_t stream = nullptr)
{
    return view_of_device(data, std::span<const std::size_t>(shape.begin(), shape.size()), stream);
}

/// What the functions of device views take: the floating-point types that models are stored in, of up to 32 bits.
template <class T>
inline constexpr bool is_device_scalar = std::is_same_v<T, float> || is_storage_scalar<T>;

namespace detail {

template <class T>
void require_view(const device_view<T>& view, const char* caller)
{
    static_assert(is_device_scalar<T>, "device_view<T>: T is expected to be float, float16, bfloat16 or a type of 8 bits");
    require(view.rows <= 1 || view.row_stride >= view.cols, "{}: weights.row_stride is {}, expected at least the {} columns", caller,
            view.row_stride, view.cols);
    require(view.rows == 0 || view.cols <= std::numeric_limits<std::size_t>::max() / sizeof(T) / view.rows,
            "{}: weights are {} x {}, more than memory can hold", caller, view.rows, view.cols);
    require(view.size() == 0 || (view.kernel > 0 && view.cols % view.kernel == 0), "{}: weights.kernel is {}, expected a divisor of the {} columns",
            caller, view.kernel, view.cols);
    require(view.data != nullptr || view.size() == 0, "{}: weights.data is null, expected memory of the device", caller);
}

// The numbers of a view on the host. Waits for its stream.
template <class T>
std::vector<T> copy_of(const device_view<T>& view)
{
    std::vector<T> numbers(view.size());
    if (!numbers.empty()) {
        const std::size_t row_bytes = view.cols * sizeof(T);
        if (view.contiguous())
            check_cuda(cudaMemcpyAsync(numbers.data(), view.data, numbers.size() * sizeof(T), cudaMemcpyDeviceToHost, view.stream), "cudaMemcpyAsync");
        else
            check_cuda(cudaMemcpy2DAsync(numbers.data(), row_bytes, view.data, view.row_stride * sizeof(T), row_bytes, view.rows,
                                         cudaMemcpyDeviceToHost, view.stream),
                       "cudaMemcpy2DAsync");
    }
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    return numbers;
}

}  // namespace detail

}  // namespace weightscope
