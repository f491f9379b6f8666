#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gram_operator.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/random_stream.hpp>

namespace weightscope {

namespace detail {

// Last component of the unit eigenvector of t for its largest eigenvalue: from the last row up, where the recurrence grows.
inline double last_component(const tridiagonal& t, double eigenvalue)
{
    const std::size_t n = t.diagonal.size();
    double below = 0, here = 1, squares = 1;
    for (std::size_t i = n - 1; i > 0; --i) {
        const double next = ((eigenvalue - t.diagonal[i]) * here - (i + 1 < n ? t.off_diagonal[i] : 0) * below) / t.off_diagonal[i - 1];
        below = here;
        here = next;
        squares += here * here;
        if (squares > 1e200)
            return 0;
    }
    return 1 / std::sqrt(squares);
}

inline largest_singular_value_result largest_by_lanczos(const matrix_source& w, double factor, const largest_singular_value_options& options)
{
    const gram_operator gram(w, factor);
    const std::size_t limit = std::min({options.max_steps, w.cols, w.rows});
    std::vector<std::vector<double>> basis(1, std::vector<double>(w.cols));
    random_stream random(options.seed);
    for (double& x : basis[0])
        x = random.normal();
    const double length = std::sqrt(dot(basis[0], basis[0]));
    for (double& x : basis[0])
        x /= length;

    tridiagonal t;
    double square = 0, residual = 0, error = 0;
    largest_singular_value_result result{.method = "lanczos"};
    while (!result.converged && result.steps < limit) {
        std::vector<double> next = gram.times(basis.back());
        ++result.steps;
        t.diagonal.push_back(dot(next, basis.back()));
        for (int pass = 0; pass < 2; ++pass)  // against all before, twice: keeps the basis orthogonal to working precision
            for (const std::vector<double>& v : basis) {
                const double along = dot(next, v);
                for (std::size_t i = 0; i < next.size(); ++i)
                    next[i] -= along * v[i];
            }
        const double off = std::sqrt(dot(next, next));
        const std::vector<double> ritz = eigenvalues({t.diagonal, t.off_diagonal.empty() ? std::vector<double>(1) : t.off_diagonal});
        square = ritz.back();
        residual = off * last_component(t, square);
        const double gap = ritz.size() > 1 ? square - ritz[ritz.size() - 2] : 0;
        error = std::min(residual, gap > 0 ? residual * residual / gap : residual);
        result.converged = error <= 2 * options.tolerance * square || result.steps == std::min(w.rows, w.cols);
        t.off_diagonal.push_back(off);
        for (double& x : next)
            x /= off;
        basis.push_back(std::move(next));
    }
    const double value = std::sqrt(square);
    result.value = value / factor;
    result.error_estimate = error / (2 * value * factor);
    result.half_width = (std::sqrt(square + residual) - value + 1e-13 * value) / factor;
    result.stable_rank = gram.sum_squares() / square;
    return result;
}

WEIGHTSCOPE_INLINE largest_singular_value_result largest_singular_value(const matrix_source& w, double max_magnitude,
                                                                        const largest_singular_value_options& options)
{
    // The Gram route costs n² max(rows, cols) + 4/3 n³ flops, Lanczos up to 80 passes over memory: equal near n = 768
    constexpr std::size_t small = 768;
    const std::size_t n = std::min(w.rows, w.cols);
    if (n == 0)
        return {.value = metric::missing("empty"), .stable_rank = metric::missing("empty")};
    if (max_magnitude == 0)
        return {.value = 0.0, .stable_rank = metric::missing("all entries are zero"), .converged = true, .method = "gram"};
    if (n > small)
        return largest_by_lanczos(w, squaring_factor(max_magnitude), options);

    const singular_values_result all = singular_values(w, max_magnitude, {.smallest_tolerance = INFINITY});
    double ratio = 0;
    for (const double value : all.values)
        ratio += (value / all.values.front()) * (value / all.values.front());
    return {.value = all.values.front(), .half_width = all.half_widths.front(), .stable_rank = ratio, .converged = true, .method = "gram"};
}

}  // namespace detail

}  // namespace weightscope
