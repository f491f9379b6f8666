#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/special.hpp>
#include <weightscope/evaluators/student_t.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE double student_t_cdf(double x, std::size_t n)
{
    const double angle = std::atan2(x, std::sqrt(static_cast<double>(n))), c2 = std::cos(angle) * std::cos(angle);
    double sum = 0, term = 1;
    if (n % 2 == 0) {
        for (std::size_t k = 0; 2 * k < n; ++k) {
            sum += term;
            term *= c2 * static_cast<double>(2 * k + 1) / static_cast<double>(2 * k + 2);
        }
        return (1 + std::sin(angle) * sum) / 2;
    }
    for (std::size_t k = 0; 2 * k + 1 < n; ++k) {
        sum += term;
        term *= c2 * static_cast<double>(2 * k + 2) / static_cast<double>(2 * k + 3);
    }
    return 0.5 + (angle + std::sin(angle) * std::cos(angle) * sum) / std::numbers::pi;
}

inline double student_t_density(double x, std::size_t n)
{
    const double v = static_cast<double>(n);
    return std::exp(std::lgamma((v + 1) / 2) - std::lgamma(v / 2) - (v + 1) / 2 * std::log1p(x * x / v)) / std::sqrt(v * std::numbers::pi);
}

}  // namespace detail

WEIGHTSCOPE_INLINE double student_t_quantile(double p, std::size_t degrees_of_freedom)
{
    require(p > 0 && p < 1, "student_t_quantile(p, degrees_of_freedom): p is {}, expected above 0 and below 1", p);
    require(degrees_of_freedom > 0, "student_t_quantile(p, degrees_of_freedom): degrees_of_freedom is 0, expected 1 or more");
    const double z = inverse_normal_cdf(p), v = static_cast<double>(degrees_of_freedom), z2 = z * z;
    double x = z
             + z * (z2 + 1) / (4 * v) + z * ((5 * z2 + 16) * z2 + 3) / (96 * v * v)
             + z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v)
             + z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * v * v * v * v);
    if (degrees_of_freedom > 2000)
        return x;  // the next term is below 1e-16
    if (degrees_of_freedom == 1)
        return std::tan(std::numbers::pi * (p - 0.5));
    for (int step = 0; step < 40; ++step) {
        const double change = (detail::student_t_cdf(x, degrees_of_freedom) - p) / detail::student_t_density(x, degrees_of_freedom);
        x -= std::clamp(change, -1 - std::fabs(x), 1 + std::fabs(x));
        if (std::fabs(change) <= 1e-13 * (1 + std::fabs(x)))
            break;
    }
    return x;
}

}  // namespace weightscope
