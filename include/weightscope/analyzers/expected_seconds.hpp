#pragma once
// What analyses cost on one thread, for schedules and the time left: only the ratios matter, which differ little between machines.
// Rates measured in processor time on a server of 2021 with AVX-512 and OpenBLAS 0.3.21.

#include <algorithm>
#include <cstddef>

namespace weightscope::detail {

/// All element statistics of a tensor: sorting below some 16,000 elements, passes with tables of a fixed size above.
[[nodiscard]] inline double expected_element_seconds(std::size_t count, std::size_t element_bytes)
{
    const auto n = static_cast<double>(count);
    return std::min(8e-8 * n, 1e-3 + (element_bytes == 2 ? 4.2e-9 : 2.5e-9) * n);
}

/// The Gram matrix of n vectors of this length, at 40 Gflop/s.
[[nodiscard]] inline double expected_gram_seconds(std::size_t n, std::size_t length)
{
    return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(length) / 40e9;
}

/// All singular values of a matrix: its Gram matrix, the eigenvalues at 22 Gflop/s and what goes with the square of n.
[[nodiscard]] inline double expected_spectrum_seconds(std::size_t rows, std::size_t cols)
{
    const auto n = static_cast<double>(std::min(rows, cols));
    return expected_gram_seconds(std::min(rows, cols), std::max(rows, cols)) + 4.0 / 3 * n * n * n / 22e9 + 2.6e-8 * n * n;
}

/// The largest singular value of a shuffle: from the Gram matrix up to n = 768, by passes over the matrix above.
[[nodiscard]] inline double expected_shuffle_seconds(std::size_t rows, std::size_t cols)
{
    const double count = static_cast<double>(rows) * static_cast<double>(cols);
    return std::min(rows, cols) <= 768 ? 2e-8 * count + expected_spectrum_seconds(rows, cols) : 2.2e-8 * count;
}

}  // namespace weightscope::detail
