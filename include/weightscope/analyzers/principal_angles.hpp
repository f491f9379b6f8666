#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>

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

struct singular_subspaces
{
    vector_basis left, right;
};

// The spans of the `count` largest singular vectors: eigenvectors on the smaller side, and their images on the other one.
WEIGHTSCOPE_INLINE singular_subspaces singular_subspaces_of(const matrix_source& w, double factor, std::size_t count);

// Cosines are the singular values of UᵀV, sines those of V - U UᵀV: each is exact where the other is not.
WEIGHTSCOPE_INLINE std::vector<double> angles_between(const vector_basis& u, const vector_basis& v);

// Of finite matrices of one shape.
WEIGHTSCOPE_INLINE principal_angles_result principal_angles(const matrix_source& a, double largest_a, const matrix_source& b, double largest_b,
                                                            const principal_angles_options& options);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/principal_angles.hpp>
#endif
