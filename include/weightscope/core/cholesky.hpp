#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/factorizations.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

/// The Cholesky factorization UᵀU of a symmetric matrix, tile by tile in parallel, the same bits for any number of threads.
/// n³ / 3 flops; U takes the place of the upper column-major triangle, what is below the diagonal's tiles is neither read nor written.
class cholesky
{
public:
    cholesky(std::vector<double>& upper, std::size_t n) : a_(upper), n_(n), tiles_((n + tile - 1) / tile) {}

    /// False where the matrix is not positive definite.
    [[nodiscard]] bool factorize()
    {
        const blas_threads one(1);
        std::vector<std::pair<std::size_t, std::size_t>> pairs;
        for (std::size_t k = 0; k < tiles_; ++k) {
            if (!factorize_cholesky_inplace(at(k, k)))
                return false;
            const std::size_t rest = tiles_ - k - 1;
            parallel_for(rest, [&](std::size_t j) { solve_triangle_inplace(at(k, k), at(k, k + 1 + j), transposition::left); });
            pairs.clear();
            for (std::size_t j = k + 1; j < tiles_; ++j)
                for (std::size_t i = k + 1; i <= j; ++i)
                    pairs.emplace_back(i, j);
            parallel_for(pairs.size(), [&](std::size_t p) {
                const auto [i, j] = pairs[p];
                multiply(at(k, i), at(k, j), -1, 1, at(i, j), transposition::left);
            });
        }
        return true;
    }

    /// x <- (UᵀU)⁻¹ x
    void solve_inplace(block<double> x) const
    {
        const blas_threads one(1);
        const auto part = [&](std::size_t k) { return block<double>{x.data + k * tile, size_of(k), x.cols, x.stride}; };
        for (std::size_t k = 0; k < tiles_; ++k) {
            solve_triangle_inplace(at(k, k), part(k), transposition::left);
            parallel_for(tiles_ - k - 1, [&](std::size_t j) {
                multiply(at(k, k + 1 + j), part(k), -1, 1, part(k + 1 + j), transposition::left);
            });
        }
        for (std::size_t k = tiles_; k-- > 0;) {
            solve_triangle_inplace(at(k, k), part(k), transposition::none);
            parallel_for(k, [&](std::size_t i) { multiply(at(i, k), part(k), -1, 1, part(i)); });
        }
    }

private:
    static constexpr std::size_t tile = 256;

    std::size_t size_of(std::size_t k) const { return std::min(tile, n_ - k * tile); }
    block<double> at(std::size_t i, std::size_t j) const { return {a_.data() + i * tile + j * tile * n_, size_of(i), size_of(j), n_}; }

    std::vector<double>& a_;
    std::size_t n_, tiles_;
};

}  // namespace weightscope::detail
