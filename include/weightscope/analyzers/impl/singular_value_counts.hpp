#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/singular_value_counts.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<singular_value_count> count_singular_values(const matrix_source& w, double max_magnitude,
                                                                           std::span<const double> thresholds)
{
    std::vector<singular_value_count> counts(thresholds.size());
    const std::size_t n = std::min(w.rows, w.cols);
    if (n == 0)
        return counts;
    const double factor = squaring_factor(max_magnitude);
    const tridiagonal t = tridiagonalize(gram_matrix(w, factor), n);
    double largest = 0;  // no eigenvalue is above the largest row sum
    for (std::size_t i = 0; i < n; ++i)
        largest = std::max(largest, std::fabs(t.diagonal[i]) + (i > 0 ? std::fabs(t.off_diagonal[i - 1]) : 0) + (i + 1 < n ? std::fabs(t.off_diagonal[i]) : 0));
    const double error = gram_eigenvalue_error(largest, n);
    for (std::size_t k = 0; k < thresholds.size(); ++k) {
        const double square = (thresholds[k] * factor) * (thresholds[k] * factor);
        counts[k] = {n - count_below(t, square + error), n - (square > error ? count_below(t, square - error) : 0)};
    }
    return counts;
}

}  // namespace weightscope::detail
