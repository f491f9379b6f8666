#pragma once
// Kernels of singular_values.cuh: matrices in double as the libraries want them.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

// The bits of the largest |w|: those of NaN or infinity where there is one. `largest` begins as 0.
template <class T>
__global__ void __launch_bounds__(128) find_largest(strided_numbers<T> w, unsigned* largest)
{
    unsigned most = 0;
    visit_numbers(w, [&](T number, std::size_t) {
        const unsigned bits = bits_as<std::uint32_t>(static_cast<float>(number)) & 0x7fffffffu;
        most = bits > most ? bits : most;
    });
    most = team_max<32>(most);
    if (threadIdx.x % 32 == 0)
        atomicMax(largest, most);
}

// to[r, c] = factor · w[r, c], row-major without gaps.
template <class T>
__global__ void __launch_bounds__(128) widen_matrix(strided_numbers<T> w, double factor, double* to)
{
    visit_numbers(w, [&](T number, std::size_t place) { to[place] = factor * static_cast<double>(static_cast<float>(number)); });
}

// to[c, r] = factor · w[r, c]: tiles of 32 x 32, turned in shared memory. Blocks of 32 x 4 threads, laid out in one dimension.
template <class T>
__global__ void __launch_bounds__(128) widen_transposed(strided_numbers<T> w, double factor, double* to)
{
    constexpr unsigned side = 32, lines = 4;
    __shared__ double tile[side][side + 1];
    const unsigned x = threadIdx.x % side, y = threadIdx.x / side;
    const std::size_t across = (w.cols + side - 1) / side, tiles = across * ((w.rows + side - 1) / side);
    for (std::size_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        const std::size_t row = t / across * side, col = t % across * side;
        for (unsigned i = y; i < side; i += lines)
            if (row + i < w.rows && col + x < w.cols)
                tile[i][x] = factor * static_cast<double>(static_cast<float>(w.data[(row + i) * w.row_stride + col + x]));
        __syncthreads();
        for (unsigned i = y; i < side; i += lines)
            if (row + x < w.rows && col + i < w.cols)
                to[(col + i) * w.rows + row + x] = tile[x][i];
        __syncthreads();
    }
}

// r: the upper triangle of the first n rows of the column-major a, zeros below.
template <class Real>
__global__ void __launch_bounds__(128) copy_upper_triangle(const Real* a, std::size_t a_rows, unsigned n, Real* r)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < std::size_t{n} * n; i += std::size_t{gridDim.x} * blockDim.x) {
        const std::size_t col = i / n, row = i % n;
        r[i] = row <= col ? a[col * a_rows + row] : 0;
    }
}

}  // namespace weightscope::detail
