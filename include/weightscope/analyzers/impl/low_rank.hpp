#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE low_rank_result low_rank_of(std::span<const double> descending, std::size_t rows, std::size_t cols,
                                               const low_rank_options& options)
{
    low_rank_result result{.rows = rows, .cols = cols};
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    result.break_even_rank = m + n > 0 ? m * n / (m + n) : 0;
    result.largest_rank = static_cast<std::size_t>(std::max(std::ceil(result.break_even_rank) - 1, 0.0));
    // tails from the smallest up, so that nothing of them is lost
    std::vector<double> tail(descending.size() + 1, 0);
    for (std::size_t i = descending.size(); i-- > 0;)
        tail[i] = tail[i + 1] + descending[i] * descending[i];
    const double energy = tail.front();
    if (!(energy > 0)) {
        result.least_error = result.stable_rank = result.classic_lora_rank = metric::missing(descending.empty() ? "no entries" : "all zero");
        return result;
    }
    const auto error_at = [&](std::size_t rank) { return std::sqrt(tail[std::min(rank, descending.size())] / energy); };
    for (const double share : options.energies) {
        std::size_t rank = 0;
        while (rank < descending.size() && tail[rank] > (1 - share) * energy)
            ++rank;
        const std::size_t parameters = rank * (rows + cols);
        result.factors.push_back({.energy = share,
                                  .rank = rank,
                                  .relative_error = error_at(rank),
                                  .parameters = parameters,
                                  .saved_fraction = 1 - static_cast<double>(parameters) / (m * n)});
    }
    result.least_error = error_at(result.largest_rank);
    result.stable_rank = energy / (descending.front() * descending.front());
    result.classic_lora_rank = result.stable_rank.value < 20 ? 4 : result.stable_rank.value < 50 ? 8 : 16;
    return result;
}

WEIGHTSCOPE_INLINE low_rank_result low_rank_of(const matrix_source& matrix, const low_rank_options& options)
{
    const double largest = max_magnitude(matrix.elements);
    if (std::isfinite(largest))
        return low_rank_of(singular_values(matrix, largest, {.smallest_tolerance = std::numeric_limits<double>::infinity()}).values, matrix.rows, matrix.cols, options);
    low_rank_result result = low_rank_of(std::span<const double>(), matrix.rows, matrix.cols, options);
    result.least_error = result.stable_rank = result.classic_lora_rank = metric::missing("entries that are not finite");
    return result;
}

}  // namespace weightscope::detail
