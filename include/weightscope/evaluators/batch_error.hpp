#pragma once

#include <span>

#include <weightscope/core/compiled.hpp>
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
[[nodiscard]] WEIGHTSCOPE_INLINE metric estimate_batch_error(std::span<const loss_value> batches);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/batch_error.hpp>
#endif
