#pragma once

#include <weightscope/core/linalg.hpp>
#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/gram_matrix.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/solver.cuh>
#include <weightscope/cuda/spectral_kernels.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

namespace detail {

// Singular values, descending, of factor · W by QR and the SVD of R. Waits.
template <class T>
std::vector<double> singular_values_by_qr(const device_view<T>& view, double factor, cuda_solver& solver)
{
    const std::size_t m = std::max(view.rows, view.cols), n = std::min(view.rows, view.cols);
    const int rows = solver_size(m), cols = solver_size(n);
    cuda_workspace& workspace = solver.workspace();
    double* const a = workspace.take<double>(m * n);  // column-major, m x n: W or its transpose
    double* const r = workspace.take<double>(n * n);
    double* const tau = workspace.take<double>(n);
    double* const values = workspace.take<double>(n);
    int* const info = workspace.take<int>(2);
    const strided_numbers<T> numbers{view.data, view.rows, view.cols, view.row_stride};
    const unsigned most_blocks = workspace.multiprocessors() * (2048 / spectral_threads);
    if (view.rows >= view.cols)
        launch(widen_transposed<T>, "widen_transposed",
               {.grid = blocks_for((view.rows + 31) / 32 * ((view.cols + 31) / 32), most_blocks), .threads = spectral_threads, .stream = solver.stream()}, numbers,
               factor, a);
    else
        widen_to(numbers, factor, a, workspace);
    int size = 0, svd_size = 0;
    check_cusolver(cusolverDnDgeqrf_bufferSize(solver.cusolver(), rows, cols, a, rows, &size), "cusolverDnDgeqrf_bufferSize");
    check_cusolver(cusolverDnDgesvd_bufferSize(solver.cusolver(), cols, cols, &svd_size), "cusolverDnDgesvd_bufferSize");
    double* const work = workspace.take<double>(static_cast<std::size_t>(std::max(size, svd_size)));
    check_cusolver(cusolverDnDgeqrf(solver.cusolver(), rows, cols, a, rows, tau, work, size, info), "cusolverDnDgeqrf");
    launch(copy_upper_triangle<double>, "copy_upper_triangle",
           {.grid = blocks_for((n * n + spectral_threads - 1) / spectral_threads, most_blocks), .threads = spectral_threads, .stream = solver.stream()}, a, m,
           static_cast<unsigned>(n), r);
    check_cusolver(cusolverDnDgesvd(solver.cusolver(), 'N', 'N', cols, cols, r, cols, values, nullptr, cols, nullptr, cols, work, svd_size, nullptr, info + 1),
                   "cusolverDnDgesvd");
    std::vector<double> result(n);
    std::vector<int> found(2);
    copy_to_host(static_cast<const double*>(values), std::span(result), solver.stream());
    copy_to_host(static_cast<const int*>(info), std::span(found), solver.stream());
    check_cuda(cudaStreamSynchronize(solver.stream()), "cudaStreamSynchronize");
    check_info("Dgeqrf", found[0]);
    check_info("Dgesvd", found[1]);
    return result;
}

// The uncertain ones, found by the host: the Gram matrix once more, and W in double, go there. Waits.
template <class T>
std::vector<double> refined_singular_values(const device_view<T>& view, double factor, const uncertain_values& uncertain, double largest, cuda_solver& solver)
{
    const std::size_t n = std::min(view.rows, view.cols);
    solver.workspace().start_call();
    double* const gram = solver.workspace().take<double>(n * n);
    double* const wide = solver.workspace().take<double>(view.size());
    gram_matrix_to(view, factor, gram, solver);
    widen_to(strided_numbers<T>{view.data, view.rows, view.cols, view.row_stride}, factor, wide, solver.workspace());
    std::vector<double> host_gram(n * n), host(view.size());
    copy_to_host(static_cast<const double*>(gram), std::span(host_gram), solver.stream());
    copy_to_host(static_cast<const double*>(wide), std::span(host), solver.stream());
    check_cuda(cudaStreamSynchronize(solver.stream()), "cudaStreamSynchronize");
    mirror_lower_inplace(host_gram, n);
    return refined_singular_values(matrix_of(source_of(std::span<const double>(host)), view.rows), 1, std::move(host_gram), uncertain, largest);
}

// The result of the ascending eigenvalues of a Gram matrix.
template <class T>
singular_values_result singular_values_from(const std::vector<double>& eigenvalues, const device_view<T>& view, double factor,
                                            const singular_values_options& options, cuda_solver& solver)
{
    const auto refine = [&](const uncertain_values& uncertain, double largest) { return refined_singular_values(view, factor, uncertain, largest, solver); };
    const auto decompose = [&] {
        solver.workspace().start_call();
        return singular_values_by_qr(view, factor, solver);
    };
    return singular_values_from(eigenvalues, factor, options, refine, decompose);
}

template <class T>
singular_values_result singular_values(const device_view<T>& view, double max_magnitude, const singular_values_options& options, cuda_solver& solver)
{
    const std::size_t n = std::min(view.rows, view.cols);
    if (n == 0)
        return {};
    const double factor = squaring_factor(max_magnitude);
    double* const gram = solver.workspace().take<double>(n * n);
    gram_matrix_to(view, factor, gram, solver);
    return singular_values_from(eigenvalues_on_device(gram, n, solver), view, factor, options, solver);
}

#if CUSOLVER_VERSION >= 11701  // of CUDA 12.6
// Many matrices of one shape: their Gram matrices by one product, their eigenvalues by one call.
template <class T>
std::vector<singular_values_result> singular_values_of_batch(std::span<const device_view<T>> views, std::span<const double> max_magnitudes,
                                                             const singular_values_options& options, cuda_solver& solver)
{
    cuda_workspace& workspace = solver.workspace();
    const std::size_t rows = views[0].rows, cols = views[0].cols, size = rows * cols, n = std::min(rows, cols), count = views.size();
    const bool tall = rows >= cols;
    double* const wide = workspace.take<double>(count * size);
    double* const grams = workspace.take<double>(count * n * n);
    double* const values = workspace.take<double>(count * n);
    int* const info = workspace.take<int>(count);
    std::vector<double> factors;
    for (std::size_t i = 0; i < count; ++i) {
        factors.push_back(squaring_factor(max_magnitudes[i]));
        widen_to(strided_numbers<T>{views[i].data, rows, cols, views[i].row_stride}, factors[i], wide + i * size, workspace);
    }
    const double one = 1, none = 0;
    const int order = solver_size(n), stride = solver_size(cols);
    check_cublas(cublasDgemmStridedBatched(solver.cublas(), tall ? CUBLAS_OP_N : CUBLAS_OP_T, tall ? CUBLAS_OP_T : CUBLAS_OP_N, order, order,
                                           solver_size(std::max(rows, cols)), &one, wide, stride, static_cast<long long>(size), wide, stride,
                                           static_cast<long long>(size), &none, grams, order, static_cast<long long>(n * n), solver_size(count)),
                 "cublasDgemmStridedBatched");
    std::size_t device_bytes = 0, host_bytes = 0;
    const auto wide_order = static_cast<std::int64_t>(n), batch = static_cast<std::int64_t>(count);
    check_cusolver(cusolverDnXsyevBatched_bufferSize(solver.cusolver(), solver.params(), CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, wide_order, CUDA_R_64F,
                                                     grams, wide_order, CUDA_R_64F, values, CUDA_R_64F, &device_bytes, &host_bytes, batch),
                   "cusolverDnXsyevBatched_bufferSize");
    std::byte* const device_work = workspace.take<std::byte>(device_bytes);
    std::vector<std::byte> host_work(host_bytes);
    check_cusolver(cusolverDnXsyevBatched(solver.cusolver(), solver.params(), CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, wide_order, CUDA_R_64F, grams,
                                          wide_order, CUDA_R_64F, values, CUDA_R_64F, device_work, device_bytes, host_work.data(), host_bytes, info, batch),
                   "cusolverDnXsyevBatched");
    std::vector<double> found(count * n);
    std::vector<int> found_info(count);
    copy_to_host(static_cast<const double*>(values), std::span(found), solver.stream());
    copy_to_host(static_cast<const int*>(info), std::span(found_info), solver.stream());
    check_cuda(cudaStreamSynchronize(solver.stream()), "cudaStreamSynchronize");
    std::vector<singular_values_result> results;
    for (std::size_t i = 0; i < count; ++i) {
        check_info("XsyevBatched", found_info[i]);
        const auto first = found.begin() + static_cast<std::ptrdiff_t>(i * n);
        results.push_back(singular_values_from(std::vector<double>(first, first + static_cast<std::ptrdiff_t>(n)), views[i], factors[i], options, solver));
    }
    return results;
}
#else  // one after the other
template <class T>
std::vector<singular_values_result> singular_values_of_batch(std::span<const device_view<T>> views, std::span<const double> max_magnitudes,
                                                             const singular_values_options& options, cuda_solver& solver)
{
    std::vector<singular_values_result> results;
    for (std::size_t i = 0; i < views.size(); ++i) {
        solver.workspace().start_call();
        results.push_back(singular_values(views[i], max_magnitudes[i], options, solver));
    }
    return results;
}
#endif

}  // namespace detail

/// analyze_singular_values for a matrix in the memory of a device.
///
/// The Gram matrix is made in double, on tensor cores where the device has them for double; its eigenvalues are those of cuSOLVER. Bounds and
/// what takes over from them are the host's; of a large matrix with few uncertain values the host refines these.
///
/// @param weights  float, float16, bfloat16 or a type of 8 bits; finite
/// @param options  see singular_values_options
/// @param solver   of the same stream
/// @return         see singular_values_result; the intervals of host and device overlap
/// @throws std::invalid_argument  no matrix, or an entry is not finite
/// @throws cuda_error             a call of CUDA failed
/// @note           memory of the device: n² doubles and a panel of 128 MiB or 512 n doubles; for "refined" and "qr" rows · cols doubles
///                 more, for "refined" in the host's memory as well. Waits for the stream
template <class T>
[[nodiscard]] singular_values_result analyze_singular_values(const device_view<T>& weights, const singular_values_options& options, cuda_solver& solver)
{
    detail::require_view(weights, "analyze_singular_values(weights)");
    require(weights.is_matrix, "analyze_singular_values(weights): weights have rank 0 or 1, expected 2 or more");
    require(weights.stream == solver.stream(), "analyze_singular_values(weights, options, solver): the solver is of another stream than the weights");
    solver.workspace().start_call();
    const double largest = detail::largest_magnitudes(std::span(&weights, 1), solver.workspace()).front();
    require(std::isfinite(largest), "analyze_singular_values(weights): an entry is {}, expected finite", largest);
    return detail::singular_values(weights, largest, options, solver);
}

template <class T>
[[nodiscard]] singular_values_result analyze_singular_values(const device_view<T>& weights, const singular_values_options& options = {})
{
    cuda_solver solver(weights.stream);
    return analyze_singular_values(weights, options, solver);
}

/// The same for many small matrices of one shape, experts or heads, that the device works on together.
///
/// @param weights  one stream, one shape; finite
/// @return         one for each, in their order
/// @note           memory of the device: all matrices in double
template <class T>
[[nodiscard]] std::vector<singular_values_result> analyze_singular_values(std::span<const device_view<T>> weights, const singular_values_options& options,
                                                                          cuda_solver& solver)
{
    constexpr const char* caller = "analyze_singular_values(matrices)";
    for (const device_view<T>& each : weights) {
        detail::require_view(each, caller);
        require(each.is_matrix && each.rows == weights[0].rows && each.cols == weights[0].cols && each.stream == solver.stream(),
                "{}: the matrices differ in shape or stream, expected matrices of one shape on the stream of the solver", caller);
    }
    if (weights.empty() || weights[0].size() == 0)
        return std::vector<singular_values_result>(weights.size());
    solver.workspace().start_call();
    const std::vector<double> largest = detail::largest_magnitudes(weights, solver.workspace());
    for (const double each : largest)
        require(std::isfinite(each), "{}: an entry is {}, expected finite", caller, each);
    return detail::singular_values_of_batch(weights, std::span(largest), options, solver);
}

}  // namespace weightscope
