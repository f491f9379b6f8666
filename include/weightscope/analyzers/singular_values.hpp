#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>

namespace weightscope {

struct singular_values_options
{
    double smallest_tolerance = 1e-3;  ///< relative half-width of the smallest one's interval above which QR takes over; infinity: never
};

struct singular_values_result
{
    std::vector<double> values = {};       ///< [min(rows, cols)] descending
    std::vector<double> half_widths = {};  ///< [min(rows, cols)] the exact one lies in [value - half_width, value + half_width]
    std::string_view method = "none";      ///< "gram", "qr", or "none" for an empty matrix
};

namespace detail {

// The exact power of two that brings the largest magnitude near 1 where it is far from it, so that squares of squares neither
// overflow nor vanish.
inline double squaring_factor(double largest)
{
    int exponent = 0;
    std::frexp(largest, &exponent);
    return std::abs(exponent) < 100 ? 1 : std::ldexp(1.0, std::clamp(-exponent, -1022, 1022));
}

// Bounds of the design page. The eigenvalues of the Gram matrix are off by at most 8 √n u λ_max (measured: 3.8 √n u); those of
// the QR route by a small multiple of u σ_max.
inline double gram_eigenvalue_error(double largest, std::size_t n)
{
    return 8 * std::sqrt(static_cast<double>(n)) * 0x1p-53 * largest;
}

inline double gram_half_width(double value, double largest, std::size_t n)
{
    const double eigenvalue_error = gram_eigenvalue_error(largest * largest, n);
    const double root = std::sqrt(eigenvalue_error);
    return std::min(value > 0 ? eigenvalue_error / (2 * value) : root, root) + 1e-13 * largest;
}

WEIGHTSCOPE_INLINE singular_values_result singular_values(const matrix_source& w, double max_magnitude, const singular_values_options& options);

}  // namespace detail

/// All singular values of `weights`, each with a bound on its error.
///
///     σ_i = √λ_i(WᵀW),   |error| <= 4 √n 2⁻⁵³ σ_max² / σ_i + 1e-13 σ_max
///
/// The Gram matrix in double is faster than a float32 SVD and more accurate up to condition numbers of 1e7; where it leaves the
/// smallest value uncertain, QR and an SVD in double follow, with |error| <= 1e-13 σ_max.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]; finite
/// @param options  see singular_values_options
/// @return         see singular_values_result
/// @throws std::invalid_argument  rank below 2, or an entry is not finite
/// @note           n²max(m,n) + 4/3 n³ flops for n = min(rows, cols); memory n² doubles, rows · cols doubles after the fallback.
///                 Last bits depend on the BLAS and its number of threads.
/// @see            Golub & Van Loan, Matrix Computations, 4th ed., 8.3 and 8.6
template <tensor W>
[[nodiscard]] singular_values_result analyze_singular_values(const W& weights, const singular_values_options& options = {})
{
    return detail::with_matrix(weights, "analyze_singular_values(weights)", [&](const detail::matrix_source& matrix) {
        const double largest = detail::max_magnitude(matrix.elements);
        require(std::isfinite(largest), "analyze_singular_values(weights): an entry is {}, expected finite", largest);
        return detail::singular_values(matrix, largest, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/singular_values_impl.hpp>
#endif
