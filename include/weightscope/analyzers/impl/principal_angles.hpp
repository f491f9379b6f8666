#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/principal_angles.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/gram_operator.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>

namespace weightscope::detail {

inline double inner_product(const double* a, const double* b, std::size_t count)
{
    return dispatch(sum_of_products_kernel{}, a, b, count);
}

// Modified Gram-Schmidt, twice; a vector that depends on those before it becomes 0.
inline void orthonormalize(vector_basis& basis)
{
    for (std::size_t i = 0; i < basis.count; ++i) {
        double* const v = basis.at(i);
        const double before = std::sqrt(inner_product(v, v, basis.length));
        for (int pass = 0; pass < 2; ++pass)
            for (std::size_t j = 0; j < i; ++j) {
                const double along = inner_product(v, basis.at(j), basis.length);
                for (std::size_t k = 0; k < basis.length; ++k)
                    v[k] -= along * basis.at(j)[k];
            }
        const double length = std::sqrt(inner_product(v, v, basis.length));
        for (std::size_t k = 0; k < basis.length; ++k)
            v[k] = length > 1e-10 * before && length > 0 ? v[k] / length : 0;
    }
}

WEIGHTSCOPE_INLINE singular_subspaces singular_subspaces_of(const matrix_source& w, double factor, std::size_t count)
{
    const bool tall = w.rows >= w.cols;
    const std::size_t n = std::min(w.rows, w.cols), m = std::max(w.rows, w.cols);
    vector_basis inner{eigenpairs(gram_matrix(w, factor), n, count).vectors, count, n};
    vector_basis outer{std::vector<double>(count * m), count, m};
    std::vector<double> row(w.cols);
    for (std::size_t i = 0; i < w.rows; ++i) {
        w.elements.read_double(w.elements.data, i * w.cols, w.cols, row.data());
        for (double& x : row)
            x *= factor;
        for (std::size_t k = 0; k < count; ++k)
            if (tall)
                outer.at(k)[i] = inner_product(row.data(), inner.at(k), n);
            else
                for (std::size_t j = 0; j < m; ++j)
                    outer.at(k)[j] += inner.at(k)[i] * row[j];
    }
    orthonormalize(outer);
    return tall ? singular_subspaces{std::move(outer), std::move(inner)} : singular_subspaces{std::move(inner), std::move(outer)};
}

WEIGHTSCOPE_INLINE std::vector<double> angles_between(const vector_basis& u, const vector_basis& v)
{
    const std::size_t k = u.count, n = u.length;
    std::vector<double> products(k * k), rest = v.vectors;
    for (std::size_t i = 0; i < k; ++i)
        for (std::size_t j = 0; j < k; ++j)
            products[i * k + j] = inner_product(u.at(i), v.at(j), n);
    for (std::size_t j = 0; j < k; ++j)
        for (std::size_t i = 0; i < k; ++i)
            for (std::size_t t = 0; t < n; ++t)
                rest[j * n + t] -= products[i * k + j] * u.at(i)[t];
    const std::vector<double> cosines = singular_values_by_qr(matrix_of(source_of(std::span<const double>(products)), k), 1);
    std::vector<double> sines = singular_values_by_qr(matrix_of(source_of(std::span<const double>(rest)), k), 1);
    std::reverse(sines.begin(), sines.end());
    std::vector<double> angles(k);
    for (std::size_t i = 0; i < k; ++i) {
        const double sine = std::min(sines[i], 1.0), cosine = std::min(cosines[i], 1.0);
        angles[i] = 180 / std::numbers::pi * (sine < 0.7 ? std::asin(sine) : std::acos(cosine));
    }
    std::sort(angles.begin(), angles.end());
    return angles;
}

WEIGHTSCOPE_INLINE principal_angles_result principal_angles(const matrix_source& a, double largest_a, const matrix_source& b, double largest_b,
                                                            const principal_angles_options& options)
{
    const std::size_t count = std::min({options.count, a.rows, a.cols});
    if (count == 0)
        return {.reason = "no entries"};
    if (largest_a == 0 || largest_b == 0)
        return {.reason = "all zero"};
    const singular_subspaces of_a = singular_subspaces_of(a, squaring_factor(largest_a), count),
                             of_b = singular_subspaces_of(b, squaring_factor(largest_b), count);
    return {.left = angles_between(of_a.left, of_b.left), .right = angles_between(of_a.right, of_b.right)};
}

}  // namespace weightscope::detail
