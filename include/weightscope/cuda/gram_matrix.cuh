#pragma once
// Gram matrices and their eigenvalues on the device.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <bit>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/solver.cuh>
#include <weightscope/cuda/spectral_kernels.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope::detail {

inline constexpr unsigned spectral_threads = 128;

template <class T>
unsigned spectral_blocks(const strided_numbers<T>& numbers, const cuda_workspace& workspace)
{
    return blocks_for(tile_count(numbers, spectral_threads), workspace.multiprocessors() * (2048 / spectral_threads));
}

inline int solver_size(std::size_t n)
{
    if (n > INT_MAX)
        throw std::length_error(fmt::format("weightscope: a matrix dimension is {}, cuBLAS takes at most {}", n, INT_MAX));
    return static_cast<int>(n);
}

inline void check_info(const char* routine, int info)
{
    if (info != 0)
        throw std::runtime_error(fmt::format("weightscope: cuSOLVER's {} returned info = {}", routine, info));
}

// The largest magnitudes of some matrices, infinite or NaN where an entry is. Waits once.
template <class T>
std::vector<double> largest_magnitudes(std::span<const device_view<T>> views, cuda_workspace& workspace)
{
    unsigned* const largest = workspace.take_zeros<unsigned>(views.size());
    for (std::size_t i = 0; i < views.size(); ++i) {
        const auto numbers = numbers_of<T>(views[i]);
        if (views[i].size() > 0)
            launch(find_largest<T>, "find_largest",
                   {.grid = spectral_blocks(numbers, workspace), .threads = spectral_threads, .stream = workspace.stream()}, numbers, largest + i);
    }
    std::vector<unsigned> bits(views.size());
    copy_to_host(static_cast<const unsigned*>(largest), std::span(bits), workspace.stream());
    check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");
    std::vector<double> result;
    for (const unsigned each : bits)
        result.push_back(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(each))));
    return result;
}

// factor · w in double, row-major without gaps.
template <class T>
void widen_to(const strided_numbers<T>& numbers, double factor, double* to, const cuda_workspace& workspace)
{
    launch(widen_matrix<T>, "widen_matrix", {.grid = spectral_blocks(numbers, workspace), .threads = spectral_threads, .stream = workspace.stream()},
           numbers, factor, to);
}

// The lower column-major triangle of WᵀW or W Wᵀ, whichever is smaller, of factor · W.
template <class T>
void gram_matrix_to(const device_view<T>& view, double factor, double* gram, cuda_solver& solver)
{
    constexpr std::size_t panel_numbers = std::size_t{1} << 24, least_depth = 512;  // 128 MiB of doubles at a time
    const bool tall = view.rows >= view.cols;
    const std::size_t n = std::min(view.rows, view.cols), length = std::max(view.rows, view.cols);
    const std::size_t depth = std::min(length, std::max(least_depth, panel_numbers / n));
    double* const panel = solver.workspace().take<double>(n * depth);
    const double one = 1;
    for (std::size_t begin = 0; begin < length; begin += depth) {
        const std::size_t size = std::min(depth, length - begin);
        // of a tall W some rows, column-major n x size; of a wide one some columns, column-major size x n
        const strided_numbers<T> part = tall ? strided_numbers<T>{view.data + begin * view.row_stride, size, n, view.row_stride}
                                             : strided_numbers<T>{view.data + begin, n, size, view.row_stride};
        widen_to(part, factor, panel, solver.workspace());
        const double keep = begin == 0 ? 0 : 1;
        check_cublas(cublasDsyrk(solver.cublas(), CUBLAS_FILL_MODE_LOWER, tall ? CUBLAS_OP_N : CUBLAS_OP_T, solver_size(n), solver_size(size), &one, panel,
                                 solver_size(tall ? n : size), &keep, gram, solver_size(n)),
                     "cublasDsyrk");
    }
}

// Eigenvalues, ascending, of the symmetric matrix whose lower triangle `a` holds; destroys it. Waits.
inline std::vector<double> eigenvalues_on_device(double* a, std::size_t n, cuda_solver& solver)
{
    const int order = solver_size(n);
    double* const values = solver.workspace().take<double>(n);
    int* const info = solver.workspace().take<int>(1);
    int size = 0;
    check_cusolver(cusolverDnDsyevd_bufferSize(solver.cusolver(), CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, order, a, order, values, &size),
                   "cusolverDnDsyevd_bufferSize");
    double* const work = solver.workspace().take<double>(static_cast<std::size_t>(size));
    check_cusolver(
        cusolverDnDsyevd(solver.cusolver(), CUSOLVER_EIG_MODE_NOVECTOR, CUBLAS_FILL_MODE_LOWER, order, a, order, values, work, size, info), "cusolverDnDsyevd");
    std::vector<double> result(n);
    int found = 0;
    copy_to_host(static_cast<const double*>(values), std::span(result), solver.stream());
    copy_to_host(static_cast<const int*>(info), std::span(&found, 1), solver.stream());
    check_cuda(cudaStreamSynchronize(solver.stream()), "cudaStreamSynchronize");
    check_info("Dsyevd", found);
    return result;
}

}  // namespace weightscope::detail
