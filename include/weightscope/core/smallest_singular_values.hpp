#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weightscope/core/factorizations.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_products.hpp>
#include <weightscope/core/random_stream.hpp>

namespace weightscope::detail {

struct smallest_values_request
{
    std::size_t rows = 0, cols = 0;  // of A
    std::size_t count = 0;           // how many, at most half the columns
    double bound = 0;                // no more than `count` lie below
    double largest = 0;              // of all
    std::uint64_t seed = 0x5eed;
};

// The largest singular value of the first `count` columns.
inline double spectral_norm(dense_columns& x, std::size_t count)
{
    std::vector<double> gram(count * count);
    multiply_by_transpose(x.columns(count), 0, {gram.data(), count, count, count}, transposition::left);
    return std::sqrt(std::max(eigenvalues(tridiagonalize_directly(std::move(gram), count)).back(), 0.0));
}

inline dense_columns times_small(const dense_columns& x, const std::vector<double>& square, transposition transposed = transposition::none)
{
    dense_columns result(x.rows, x.cols);
    multiply(x.all(), {square.data(), x.cols, x.cols, x.cols}, 1, 0, result.all(), transposed);
    return result;
}

inline void subtract_scaled_inplace(dense_columns& x, const dense_columns& y, const std::vector<double>& scales)
{
    for (std::size_t j = 0; j < x.cols; ++j)
        for (std::size_t i = 0; i < x.rows; ++i)
            x.data[i + j * x.rows] -= y.data[i + j * x.rows] * scales[j];
}

/// The smallest singular values of a matrix A, at least as tall as wide, of which the Gram matrix cannot tell enough.
///
/// From random columns V some steps of inverse iteration with M = AᵀA + shift, then corrections of V and of U, which starts as a basis
/// of A V, by what A itself leaves over:
///
///     R = A V - U S,   T = AᵀU - V Sᵀ,   S = UᵀA V;      V <- V - M⁻¹AᵀR,   U <- U - A M⁻¹T
///
/// M steers, only A decides: in bases that begin with U and V, A is S and another block on the diagonal, R and T beside them. So its singular
/// values are, in their order, those of the two blocks to within max(‖R‖, ‖T‖), which falls to the rounding of the products, n 2⁻⁵³ of the
/// largest as in an SVD. Those of S are the smallest where they stay below `bound`, below which no more than `count` lie.
///
/// The products are `times(x)` = A x, `transposed_times(x)` = Aᵀ x and `solve_inplace(x)` for M⁻¹.
///
/// @return  [count] descending, each within 1e-13 of the largest; empty where that is not reached
/// @see  Hochstenbach 2001, A Jacobi-Davidson type SVD method, doi:10.1137/S1064827500372973
template <class Products>
[[nodiscard]] std::vector<double> smallest_singular_values(const Products& products, const smallest_values_request& request)
{
    constexpr int inverse_steps = 3, most_corrections = 12;
    const double goal = 5e-14 * request.largest;  // of the residuals; as much again for the rounding in them
    // columns that need not converge make the others converge faster
    const std::size_t count = request.count, width = std::min(count + count / 4 + 8, request.cols);
    dense_columns v(request.cols, width);
    random_stream random(request.seed);
    for (double& x : v.data)
        x = random.normal();
    orthonormalize_inplace(v.all());
    for (int step = 0; step < inverse_steps; ++step) {
        products.solve_inplace(v);
        orthonormalize_inplace(v.all());
    }
    dense_columns u = products.times(v);
    // no more than rounding, so that a left vector whose value is 0 has a part in all rows, also in those that are 0 throughout
    const double little = 0x1p-51 * request.largest / std::sqrt(static_cast<double>(request.rows));
    for (double& x : u.data)
        x += little * random.normal();
    orthonormalize_inplace(u.all());

    double before = INFINITY;
    for (int step = 0; step <= most_corrections; ++step) {
        dense_columns over = products.times(v), over_left = products.transposed_times(u);
        dense_columns small(width, width);
        multiply(u.all(), over.all(), 1, 0, small.all(), transposition::left);
        singular_triplets found = decompose_small(small.all());
        std::reverse(found.values.begin(), found.values.end());  // the smallest first, and their vectors
        for (std::size_t j = 0; j < width / 2; ++j)
            for (std::size_t i = 0; i < width; ++i) {
                std::swap(found.left[i + j * width], found.left[i + (width - 1 - j) * width]);
                std::swap(found.right[j + i * width], found.right[width - 1 - j + i * width]);
            }
        u = times_small(u, found.left);
        v = times_small(v, found.right, transposition::right);
        over = times_small(over, found.right, transposition::right);
        over_left = times_small(over_left, found.left);
        subtract_scaled_inplace(over, u, found.values);
        subtract_scaled_inplace(over_left, v, found.values);

        const double residual = std::max(spectral_norm(over, count), spectral_norm(over_left, count));
        if (residual <= goal) {
            if (found.values[count - 1] + 2 * goal >= request.bound)
                return {};
            found.values.resize(count);
            std::reverse(found.values.begin(), found.values.end());
            return found.values;
        }
        if (!(residual < 1e100) || (step > 3 && residual > before / 2))
            return {};
        before = residual;

        const std::vector<double> ones(width, 1.0);
        dense_columns correction = products.transposed_times(over);
        products.solve_inplace(correction);
        subtract_scaled_inplace(v, correction, ones);
        orthonormalize_inplace(v.all());
        products.solve_inplace(over_left);
        subtract_scaled_inplace(u, products.times(over_left), ones);
        orthonormalize_inplace(u.all());
    }
    return {};
}

}  // namespace weightscope::detail
