#pragma once
// Matrices with singular values that are known before any is computed.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>

// values fall evenly in their logarithm from 1 to 1 / kappa
inline std::vector<double> geometric_spectrum(std::size_t n, double kappa)
{
    std::vector<double> values(n);
    for (std::size_t i = 0; i < n; ++i)
        values[i] = std::pow(kappa, -static_cast<double>(i) / static_cast<double>(n - 1));
    return values;
}

inline std::vector<double> flat_plus_one_small(std::size_t n, double kappa)
{
    std::vector<double> values(n, 1.0);
    values.back() = 1 / kappa;
    return values;
}

inline std::vector<double> one_spike(std::size_t n, double kappa)
{
    std::vector<double> values(n, 1 / kappa);
    values.front() = 1;
    return values;
}

// U diag(values) V^T with U and V products of Householder reflections: exact but for the rounding of 2 n reflections, some
// n 2^-53 of the largest value.
inline xt::xtensor<double, 2> with_spectrum(std::size_t rows, std::size_t cols, const std::vector<double>& values)
{
    // long double, so that the matrix rounds once
    std::vector<long double> w(rows * cols);
    for (std::size_t i = 0; i < values.size(); ++i)
        w[i * cols + i] = values[i];
    weightscope::random_stream random(rows * 1000 + cols);
    constexpr int reflections = 6;
    const auto reflection = [&](std::size_t n) {
        std::vector<long double> v(n);
        long double norm = 0;
        for (auto& x : v) {
            x = random.normal();
            norm += x * x;
        }
        for (auto& x : v)
            x *= std::sqrt(2 / norm);
        return v;  // I - v v^T
    };
    for (int r = 0; r < reflections; ++r) {
        const auto left = reflection(rows), right = reflection(cols);
        for (std::size_t j = 0; j < cols; ++j) {
            long double dot = 0;
            for (std::size_t i = 0; i < rows; ++i)
                dot += left[i] * w[i * cols + j];
            for (std::size_t i = 0; i < rows; ++i)
                w[i * cols + j] -= left[i] * dot;
        }
        for (std::size_t i = 0; i < rows; ++i) {
            long double dot = 0;
            for (std::size_t j = 0; j < cols; ++j)
                dot += right[j] * w[i * cols + j];
            for (std::size_t j = 0; j < cols; ++j)
                w[i * cols + j] -= right[j] * dot;
        }
    }
    xt::xtensor<double, 2> result = xt::empty<double>({rows, cols});
    std::copy(w.begin(), w.end(), result.begin());
    return result;
}
