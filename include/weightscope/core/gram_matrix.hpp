#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

/// WᵀW or W Wᵀ, whichever is smaller, of the finite matrix factor · W: n x n with n = min(rows, cols), the lower column-major
/// triangle filled. n² max(rows, cols) flops; memory is n² + 512 n doubles. The same bits for any number of threads.
[[nodiscard]] inline std::vector<double> gram_matrix(const matrix_source& w, double factor)
{
    constexpr std::size_t depth = 512;  // rows or columns of W that are converted at a time
    constexpr std::size_t parts = 16;   // of a conversion
    const bool tall = w.rows >= w.cols;
    const std::size_t n = std::min(w.rows, w.cols), length = std::max(w.rows, w.cols);
    const std::size_t tile = n <= 1024 ? 256 : 512;
    std::vector<std::pair<std::size_t, std::size_t>> tiles;
    for (std::size_t j = 0; j < n; j += tile)
        for (std::size_t i = j; i < n; i += tile)
            tiles.emplace_back(i, j);

    std::vector<double> gram(n * n), converted(n * std::min(depth, length));
    const blas_threads one(1);
    for (std::size_t begin = 0; begin < length; begin += depth) {
        // converted: of a tall W some rows, column-major n x size; of a wide one some columns, column-major size x n
        const std::size_t size = std::min(depth, length - begin), lines = tall ? size : n, line = tall ? n : size;
        parallel_for(parts, [&](std::size_t part) {
            const std::size_t first = lines * part / parts, last = lines * (part + 1) / parts;
            if (tall)
                w.elements.read_double(w.elements.data, (begin + first) * n, (last - first) * n, converted.data() + first * n);
            else
                for (std::size_t i = first; i < last; ++i)
                    w.elements.read_double(w.elements.data, i * length + begin, size, converted.data() + i * size);
            if (factor != 1)
                for (std::size_t i = first * line; i < last * line; ++i)
                    converted[i] *= factor;
        });
        const auto side = [&](std::size_t at, std::size_t count) {
            return tall ? block<const double>{converted.data() + at, count, size, n}
                        : block<const double>{converted.data() + at * size, size, count, size};
        };
        parallel_for(tiles.size(), [&](std::size_t t) {
            const auto [i, j] = tiles[t];
            const block<double> target{gram.data() + i + j * n, std::min(tile, n - i), std::min(tile, n - j), n};
            const double keep = begin == 0 ? 0 : 1;
            if (i == j)
                multiply_by_transpose(side(i, target.rows), keep, target, tall ? transposition::none : transposition::left);
            else
                multiply(side(i, target.rows), side(j, target.cols), 1, keep, target, tall ? transposition::right : transposition::left);
        });
    }
    return gram;
}

}  // namespace weightscope::detail
