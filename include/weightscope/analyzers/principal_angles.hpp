#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/gram_operator.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>

namespace weightscope {

struct principal_angles_options
{
    std::size_t count = 8;  ///< k: dimension of the subspaces; at least 1, and taken as min(rows, cols) where that is less
};

/// Angles between subspaces, in degrees, ascending: all 0 where the subspaces are one, 90 where a direction has nothing in common.
struct principal_angles_result
{
    std::vector<double> left = {};   ///< [k] between the spans of the k largest left singular vectors, of the outputs
    std::vector<double> right = {};  ///< [k] the same of the right ones, of the inputs
    std::string reason = {};         ///< why there are none; empty where there are
};

namespace detail {

// Orthonormal vectors one after the other, [count, length].
struct vector_basis
{
    std::vector<double> vectors;
    std::size_t count = 0, length = 0;

    double* at(std::size_t i) { return vectors.data() + i * length; }
    const double* at(std::size_t i) const { return vectors.data() + i * length; }
};

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

struct singular_subspaces
{
    vector_basis left, right;
};

// The spans of the `count` largest singular vectors: eigenvectors on the smaller side, and their images on the other one.
inline singular_subspaces singular_subspaces_of(const matrix_source& w, double factor, std::size_t count)
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

// Cosines are the singular values of UᵀV, sines those of V - U UᵀV: each is exact where the other is not.
inline std::vector<double> angles_between(const vector_basis& u, const vector_basis& v)
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

// Of finite matrices of one shape.
inline principal_angles_result principal_angles(const matrix_source& a, double largest_a, const matrix_source& b, double largest_b,
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

}  // namespace detail

/// How far the main directions of two matrices lie apart: the principal angles between the spans of their k largest singular vectors.
///
///     cos θ_i = σ_i(UᵀV),   U and V orthonormal bases of the two subspaces
///
/// Where σ_k and σ_k+1 are close the subspace is not well determined, and the largest angles mean little.
///
/// @param a        rank 2 or more, seen as [out, in * kernel]; finite
/// @param b        of the same shape; finite
/// @param options  see principal_angles_options
/// @return         see principal_angles_result; missing with a reason where a matrix is zero or empty
/// @throws std::invalid_argument  rank below 2, shapes that differ, an entry that is not finite, count 0
/// @note           n² max(rows, cols) + 4/3 n³ flops for n = min(rows, cols), for each; memory 2 n² doubles. An angle is good to 1e-7
///                 degrees times σ_1² / (σ_k² - σ_k+1²).
/// @see            Knyazev & Argentati 2002, SIAM J. Sci. Comput. 23(6):2008
template <tensor A, tensor B>
[[nodiscard]] principal_angles_result analyze_principal_angles(const A& a, const B& b, const principal_angles_options& options = {})
{
    constexpr const char* caller = "analyze_principal_angles(a, b)";
    require(options.count > 0, "analyze_principal_angles(a, b, options): count is 0, expected 1 or more");
    require(std::equal(a.shape().begin(), a.shape().end(), b.shape().begin(), b.shape().end()),
            "analyze_principal_angles(a, b): the shapes differ, expected equal ones");
    return detail::with_matrix(a, caller, [&](const detail::matrix_source& first) {
        return detail::with_matrix(b, caller, [&](const detail::matrix_source& second) {
            const double largest_a = detail::max_magnitude(first.elements), largest_b = detail::max_magnitude(second.elements);
            for (const double largest : {largest_a, largest_b})
                require(std::isfinite(largest), "analyze_principal_angles(a, b): an entry is {}, expected finite", largest);
            return detail::principal_angles(first, largest_a, second, largest_b, options);
        });
    });
}

}  // namespace weightscope
