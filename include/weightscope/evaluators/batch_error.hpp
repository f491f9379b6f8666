#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

/// How far a mean over batches is from what ever more of such batches would give: its standard error, as that of a ratio of two sums.
///
///     m     = Σ s_b / Σ n_b                                      batch b adds s_b to the sum and n_b to the count
///     error = sqrt(B / (B - 1) · Σ (s_b - m n_b)²) / Σ n_b       over B batches
///
/// Batches of unlike size weigh by their counts. Of a change give what each batch's sum changes by: most of what batches differ in is in
/// both models and cancels.
///
/// @param batches  what each batch sums and counts
/// @return         in the unit of the mean, 0 or more; missing for one batch, and where nothing was counted or a sum is not finite
/// @note two passes over the batches
[[nodiscard]] inline metric estimate_batch_error(std::span<const loss_value> batches)
{
    loss_value total;
    for (const loss_value& batch : batches) {
        total.sum += batch.sum;
        total.count += batch.count;
    }
    if (!(total.count > 0))
        return metric::missing("nothing was counted");
    if (batches.size() < 2)
        return metric::missing("one batch");
    const double mean = total.mean(), count = static_cast<double>(batches.size());
    double squares = 0;
    for (const loss_value& batch : batches) {
        const double residual = batch.sum - mean * batch.count;
        squares += residual * residual;
    }
    return std::sqrt(squares * count / (count - 1)) / total.count;
}

}  // namespace weightscope
