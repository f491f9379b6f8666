#pragma once
// The groups of a matrix whose weights share a scale, and how a kernel reads them.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

// The groups of a matrix: `size` neighbours of each of `height` rows. The last of a row may be narrower, those of the last rows lower.
struct group_grid
{
    std::size_t rows = 0, cols = 0, size = 1, height = 1, per_row = 1, count = 0;
};

// Where the groups first, first + step, first + 2 step... are: one division where the way begins, none on it.
struct group_walk
{
    std::size_t g, row, of_row;  // of_row: which of its row's groups

    __device__ group_walk(const group_grid& groups, std::size_t first, std::size_t step)
        : g(first), row(first / groups.per_row), of_row(first - row * groups.per_row), step_(step), rows_(step / groups.per_row),
          groups_(step - rows_ * groups.per_row), per_row_(groups.per_row)
    {
    }

    __device__ void advance()
    {
        g += step_;
        row += rows_;
        of_row += groups_;
        if (of_row >= per_row_) {
            of_row -= per_row_;
            ++row;
        }
    }

private:
    std::size_t step_, rows_, groups_, per_row_;
};

template <class Real, class T>
__device__ fetched_weight<Real> fetch(const T* place)
{
    const auto x = static_cast<float>(*place);
    const bool finite = finite_bits(x);
    return {static_cast<Real>(finite ? x : 0), finite};
}

// The weights of one group, by rows.
template <class Real, class T>
struct group_weights
{
    const T* first;
    std::size_t rows, cols, stride;

    __device__ group_weights(const strided_numbers<T>& w, const group_grid& groups, std::size_t g)
        : stride(w.row_stride)
    {
        const std::size_t row = g / groups.per_row * groups.height, col = g % groups.per_row * groups.size;
        const std::size_t below = groups.rows - row, right = groups.cols - col;
        first = w.data + row * stride + col;
        rows = below < groups.height ? below : groups.height;
        cols = right < groups.size ? right : groups.size;
    }

    __device__ std::size_t count() const { return rows * cols; }
    __device__ fetched_weight<Real> operator[](std::size_t i) const
    {
        if (rows == 1)
            return fetch<Real>(first + i);
        const std::size_t row = i / cols;
        return fetch<Real>(first + row * stride + (i - row * cols));
    }

    // Calls f(weight) for those of a thread.
    template <class F>
    __device__ void visit(const F& f) const
    {
        const std::size_t size = count();
        for (std::size_t i = threadIdx.x; i < size; i += blockDim.x)
            f((*this)[i]);
    }
};

}  // namespace weightscope::detail
