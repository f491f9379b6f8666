#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct singular_values_options
{
    double smallest_tolerance = 1e-3;  ///< relative half-width of an interval above which a value is found without the Gram matrix; infinity: never
};

struct singular_values_result
{
    std::vector<double> values = {};       ///< [min(rows, cols)] descending
    std::vector<double> half_widths = {};  ///< [min(rows, cols)] the exact one lies in [value - half_width, value + half_width]
    std::string_view method = "none";      ///< "gram", "refined", "qr", or "none" for an empty matrix; see analyze_singular_values
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

// The smallest singular values that their eigenvalues, ascending, do not tell to `tolerance`, and perhaps some more, up to where
// the next ones are clearly larger: no more than `count` lie below `bound`. A count of 0: nowhere among so many.
struct uncertain_values
{
    std::size_t count = 0;
    double bound = 0;
};

inline uncertain_values find_uncertain(const std::vector<double>& eigenvalues, double tolerance)
{
    constexpr double clear = 2;  // ratio of neighbours at which no better place is looked for
    const std::size_t n = eigenvalues.size(), most = n / 8;
    const double largest = std::sqrt(eigenvalues.back()), error = gram_eigenvalue_error(eigenvalues.back(), n);
    std::size_t count = 0;
    for (; count < n; ++count) {
        const double value = std::sqrt(std::max(eigenvalues[count], 0.0));
        if (gram_half_width(value, largest, n) <= tolerance * value)
            break;
    }
    uncertain_values result;
    double best = 1;
    for (; count <= most && best < clear; ++count) {
        const double ratio = (eigenvalues[count] - error) / (std::max(eigenvalues[count - 1], 0.0) + error);
        if (ratio > best) {
            best = ratio;
            result = {count, std::sqrt(eigenvalues[count] - error)};
        }
    }
    return result;
}

// The part of a square column-major matrix above the diagonal as that below.
WEIGHTSCOPE_INLINE void mirror_lower_inplace(std::vector<double>& a, std::size_t n);

/// The uncertain singular values of factor · W, descending and within 1e-13 of the largest, by smallest_singular_values with the
/// Cholesky factorization of the Gram matrix, whose upper column-major triangle `gram` holds; destroys it. Empty where that fails.
WEIGHTSCOPE_INLINE std::vector<double> refined_singular_values(const matrix_source& w, double factor, std::vector<double>&& gram, const uncertain_values& uncertain,
                                                               double largest);

/// The singular values of factor · W from the eigenvalues of its Gram matrix, ascending. Where these leave the smallest ones
/// uncertain, refine(uncertain_values, largest) is asked for those, descending and within 1e-13 of the largest, and if it has
/// none decompose() for all.
template <class Refine, class Decompose>
singular_values_result singular_values_from(const std::vector<double>& eigenvalues, double factor, const singular_values_options& options, Refine&& refine,
                                            Decompose&& decompose)
{
    constexpr std::size_t small = 256;  // of which QR and an SVD take no longer
    const std::size_t n = eigenvalues.size();
    singular_values_result result{.values = std::vector<double>(n), .half_widths = std::vector<double>(n), .method = "gram"};
    for (std::size_t i = 0; i < n; ++i)
        result.values[i] = std::sqrt(std::max(eigenvalues[n - 1 - i], 0.0));
    const double largest = result.values.front();
    for (std::size_t i = 0; i < n; ++i)
        result.half_widths[i] = gram_half_width(result.values[i], largest, n);

    if (largest > 0 && result.half_widths.back() > options.smallest_tolerance * result.values.back()) {
        const uncertain_values uncertain = n < small ? uncertain_values{} : find_uncertain(eigenvalues, options.smallest_tolerance);
        const std::vector<double> found = uncertain.count > 0 ? refine(uncertain, largest) : std::vector<double>{};
        result.method = found.empty() ? "qr" : "refined";
        if (found.empty())
            result.values = decompose();
        else
            std::copy(found.begin(), found.end(), result.values.end() - static_cast<std::ptrdiff_t>(found.size()));
        std::fill(result.half_widths.end() - static_cast<std::ptrdiff_t>(found.empty() ? n : found.size()), result.half_widths.end(),
                  1e-13 * result.values.front());
    }
    for (std::size_t i = 0; i < n; ++i) {
        result.values[i] /= factor;
        result.half_widths[i] /= factor;
    }
    return result;
}

WEIGHTSCOPE_INLINE singular_values_result singular_values(const matrix_source& w, double max_magnitude, const singular_values_options& options);

}  // namespace detail

/// All singular values of `weights`, each with a bound on its error.
///
///     σ_i = √λ_i(WᵀW),   |error| <= 4 √n 2⁻⁵³ σ_max² / σ_i + 1e-13 σ_max
///
/// The Gram matrix in double is faster than a float32 SVD and more accurate up to condition numbers of 1e7. Where it leaves the
/// smallest values uncertain and they are few, these are found with W itself ("refined"), else all of them by QR and an SVD in double
/// ("qr"); both with |error| <= 1e-13 σ_max.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]; finite
/// @param options  see singular_values_options
/// @return         see singular_values_result
/// @throws std::invalid_argument  rank below 2, or an entry is not finite
/// @note           n²max(m,n) + 4/3 n³ flops for n = min(rows, cols), n³ / 3 and some passes over W more for "refined"; memory n²
///                 doubles, rows · cols doubles for "qr". Last bits depend on the BLAS and its number of threads.
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
#include <weightscope/analyzers/impl/singular_values.hpp>
#endif
