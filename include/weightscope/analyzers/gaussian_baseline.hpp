#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include <weightscope/core/special.hpp>

namespace weightscope {

/// What a matrix of independent Gaussian entries would give: the yardstick for a metric that depends on the shape.

/// Median of the largest of `count` magnitudes of a standard Gaussian, in units of the standard deviation.
///
///     (2Φ(a) - 1)^count = 1/2
[[nodiscard]] inline double gaussian_abs_max(std::size_t count)
{
    const double tail = -std::expm1(-std::numbers::ln2 / static_cast<double>(std::max<std::size_t>(count, 1)));  // 1 - 2^(-1/count)
    return -inverse_normal_cdf(tail / 2);
}

/// SQNR in dB of symmetric quantization with one scale for `count` Gaussian entries: uniform error s²/12, s = a / (2^(bits-1) - 1).
/// Right to 0.1 dB from about 5 bits on.
[[nodiscard]] inline double gaussian_sqnr_db(std::size_t count, int bits)
{
    const double levels = (1 << (bits - 1)) - 1;
    return 10 * std::log10(12 * levels * levels) - 20 * std::log10(gaussian_abs_max(count));
}

/// Typical condition number: (√m + √n) / (√m - √(n-1)) for m x n, m >= n.
/// @see Rudelson & Vershynin 2009, arXiv:0802.3956, for the smallest singular value
[[nodiscard]] inline double gaussian_condition_number(std::size_t rows, std::size_t cols)
{
    const auto m = static_cast<double>(std::max(rows, cols)), n = static_cast<double>(std::min(rows, cols));
    return n <= 1 ? 1 : (std::sqrt(m) + std::sqrt(n)) / (std::sqrt(m) - std::sqrt(n - 1));
}

/// Bound on the probability that a Gaussian matrix of this shape has a condition number of `kappa` or more.
///
///     P(κ >= x) < (6.414 m / (k x))^k / √(2π),   m = max(rows, cols), k = |rows - cols| + 1
///
/// @return 0 to 1; 1 where the bound says nothing
/// @see    Chen & Dongarra 2005, doi:10.1137/040616413
[[nodiscard]] inline double condition_number_p_value(double kappa, std::size_t rows, std::size_t cols)
{
    if (std::min(rows, cols) < 2 || !(kappa > 1))
        return 1;
    const auto m = static_cast<double>(std::max(rows, cols));
    const double k = m - static_cast<double>(std::min(rows, cols)) + 1;
    const double log_bound = k * std::log(6.414 * m / (k * kappa)) - 0.5 * std::log(2 * std::numbers::pi);
    return log_bound >= 0 ? 1 : std::exp(log_bound);
}

/// Typical stable rank: m n / (√m + √n)².
[[nodiscard]] inline double gaussian_stable_rank(std::size_t rows, std::size_t cols)
{
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    const double largest = std::sqrt(m) + std::sqrt(n);
    return m * n > 0 ? m * n / (largest * largest) : 0;
}

}  // namespace weightscope
