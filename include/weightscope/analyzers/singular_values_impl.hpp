#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE singular_values_result singular_values(const matrix_source& w, double max_magnitude, const singular_values_options& options)
{
    const std::size_t n = std::min(w.rows, w.cols);
    if (n == 0)
        return {};
    const double factor = squaring_factor(max_magnitude);
    singular_values_result result{.values = symmetric_eigenvalues(gram_matrix(w, factor), n), .method = "gram"};
    std::reverse(result.values.begin(), result.values.end());
    for (double& value : result.values)
        value = std::sqrt(std::max(value, 0.0));
    const double largest = result.values.front();
    for (const double value : result.values)
        result.half_widths.push_back(gram_half_width(value, largest, n));

    if (largest > 0 && result.half_widths.back() > options.smallest_tolerance * result.values.back()) {
        result.values = singular_values_by_qr(w, factor);
        result.half_widths.assign(n, 1e-13 * result.values.front());
        result.method = "qr";
    }
    for (std::size_t i = 0; i < n; ++i) {
        result.values[i] /= factor;
        result.half_widths[i] /= factor;
    }
    return result;
}

}  // namespace weightscope::detail
