#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include <weightscope/core/require.hpp>

namespace weightscope {

/// The limit of the eigenvalues of WᵀW / N for an N x M matrix of independent entries of variance 1, M = ratio · N <= N.
///
///     density √((b - x)(x - a)) / (2π ratio x) on [a, b],   a, b = (1 ∓ √ratio)²
///
/// @see Marchenko & Pastur 1967, doi:10.1070/SM1967v001n04ABEH001994
class marchenko_pastur_law
{
public:
    /// @param ratio  M / N, above 0 and at most 1
    /// @throws std::invalid_argument  it is not
    explicit marchenko_pastur_law(double ratio) : ratio_(ratio)
    {
        require(ratio > 0 && ratio <= 1, "marchenko_pastur_law(ratio): ratio is {}, expected above 0 and at most 1", ratio);
    }

    [[nodiscard]] double min() const { return square(1 - std::sqrt(ratio_)); }
    [[nodiscard]] double max() const { return square(1 + std::sqrt(ratio_)); }

    /// Share of the eigenvalues that are at most x.
    [[nodiscard]] double cdf(double x) const
    {
        return x <= min() ? 0 : x >= max() ? 1 : 1 - share_above(std::acos((x - 1 - ratio_) / (2 * std::sqrt(ratio_))));
    }

    /// The x with cdf(x) = p, to 1e-15 of the law's width.
    [[nodiscard]] double quantile(double p) const
    {
        double low = 0, high = std::numbers::pi;  // of the angle
        for (int step = 0; step < 60; ++step) {
            const double middle = (low + high) / 2;
            (share_above(middle) < 1 - p ? low : high) = middle;
        }
        return std::max(min(), 1 + ratio_ + 2 * std::sqrt(ratio_) * std::cos((low + high) / 2));
    }

private:
    static double square(double x) { return x * x; }

    // With x = 1 + ratio + 2 √ratio cos φ the integral of the density from x to b is that of 2/π sin² / (1 + ratio + 2 √ratio cos).
    double share_above(double angle) const
    {
        const double root = std::sqrt(ratio_), p = 1 + ratio_, q = 2 * root;
        const double half = angle < std::numbers::pi ? std::atan((1 - root) / (1 + root) * std::tan(angle / 2)) : std::numbers::pi / 2;
        const double share = 2 / std::numbers::pi * (p * angle - q * std::sin(angle) - 2 * (1 - ratio_) * half) / (q * q);
        return std::clamp(share, 0.0, 1.0);
    }

    double ratio_;
};

/// Above what the largest eigenvalue of WᵀW lies once in a thousand times, for independent Gaussian entries of variance 1.
///
///     μ + 3.272 s,   μ = (√(N-1) + √M)²,   s = (√(N-1) + √M) (1/√(N-1) + 1/√M)^(1/3)
///
/// The number is the quantile of the Tracy-Widom law of real matrices.
/// @param rows, cols  the matrix has two of each or more, in any order
/// @see  Johnstone 2001, doi:10.1214/aos/1009210544
[[nodiscard]] inline double gaussian_largest_eigenvalue(std::size_t rows, std::size_t cols)
{
    constexpr double tracy_widom_999 = 3.2724;
    const double n = std::sqrt(static_cast<double>(std::max(rows, cols)) - 1), m = std::sqrt(static_cast<double>(std::min(rows, cols)));
    return (n + m) * (n + m) + tracy_widom_999 * (n + m) * std::cbrt(1 / n + 1 / m);
}

}  // namespace weightscope
