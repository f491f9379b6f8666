#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/cholesky.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_products.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/smallest_singular_values.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void mirror_lower_inplace(std::vector<double>& a, std::size_t n)
{
    constexpr std::size_t tile = 64;
    parallel_for((n + tile - 1) / tile, [&](std::size_t t) {
        const std::size_t first = t * tile, last = std::min(n, first + tile);
        for (std::size_t begin = first; begin < n; begin += tile)
            for (std::size_t j = first; j < last; ++j)
                for (std::size_t i = std::max(begin, j + 1); i < std::min(n, begin + tile); ++i)
                    a[j + i * n] = a[i + j * n];
    });
}

// A of smallest_singular_values: factor · W or its transpose, whichever is tall.
class refinement_products
{
public:
    refinement_products(const matrix_source& w, double factor, const cholesky& gram) : tall_(w.rows >= w.cols), w_(w, factor), gram_(gram) {}

    dense_columns times(const dense_columns& x) const { return tall_ ? w_.times(x) : w_.transposed_times(x); }
    dense_columns transposed_times(const dense_columns& x) const { return tall_ ? w_.transposed_times(x) : w_.times(x); }
    void solve_inplace(dense_columns& x) const { gram_.solve_inplace(x.all()); }

private:
    bool tall_;
    matrix_products w_;
    const cholesky& gram_;
};

WEIGHTSCOPE_INLINE std::vector<double> refined_singular_values(const matrix_source& w, double factor, std::vector<double>&& gram, const uncertain_values& uncertain,
                                                               double largest)
{
    const std::size_t n = std::min(w.rows, w.cols);
    const double shift = 2 * gram_eigenvalue_error(largest * largest, n);  // what rounding may have taken from an eigenvalue, and as much again
    for (std::size_t i = 0; i < n; ++i)
        gram[i + i * n] += shift;
    cholesky factorized(gram, n);
    if (!factorized.factorize())
        return {};
    return smallest_singular_values(refinement_products(w, factor, factorized),
                                    {.rows = std::max(w.rows, w.cols), .cols = n, .count = uncertain.count, .bound = uncertain.bound, .largest = largest});
}

WEIGHTSCOPE_INLINE singular_values_result singular_values(const matrix_source& w, double max_magnitude, const singular_values_options& options)
{
    const std::size_t n = std::min(w.rows, w.cols);
    if (n == 0)
        return {};
    const double factor = squaring_factor(max_magnitude);
    std::vector<double> gram = gram_matrix(w, factor), diagonal(n);
    for (std::size_t i = 0; i < n; ++i)
        diagonal[i] = gram[i + i * n];
    mirror_lower_inplace(gram, n);  // the reduction takes the lower triangle, what may follow the upper one
    const std::vector<double> values = tridiagonal_eigenvalues(tridiagonalize_lower_inplace(gram, n));

    const auto refine = [&](const uncertain_values& uncertain, double largest) {
        for (std::size_t i = 0; i < n; ++i)
            gram[i + i * n] = diagonal[i];
        return refined_singular_values(w, factor, std::move(gram), uncertain, largest);
    };
    const auto decompose = [&] {
        gram = {};
        return singular_values_by_qr(w, factor);
    };
    return singular_values_from(values, factor, options, refine, decompose);
}

}  // namespace weightscope::detail
