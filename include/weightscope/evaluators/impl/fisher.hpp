#pragma once

#include <cmath>
#include <cstddef>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/fisher.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/sample_gradients.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE fisher_result fisher(any_evaluator& evaluator, const evaluation_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const auto batches = chosen_batches(evaluator, options, caller);
    const auto tensors = chosen_tensors(evaluator, options, caller);
    sample_gradient_sums sums = sum_sample_gradients(
        evaluator, batches, tensors, {.gradients = false, .per_item = false, .step = "Fisher information"}, options.progress, caller);
    fisher_result result{.samples = sums.samples, .counts = evaluator.counts() - before};
    for (std::size_t t = 0; t < tensors.size(); ++t)
        result.tensors.push_back({.tensor = tensors[t], .values = std::move(sums.squares[t]), .standard_errors = std::move(sums.square_errors[t])});
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE metric fisher_to_curvature_ratio(const fisher_result& fisher, const hessian_diagonal_result& hessian)
{
    double f = 0, h = 0, variance = 0, floors = 0, quantile = 0;
    for (const tensor_fisher& a : fisher.tensors)
        for (const tensor_diagonal& b : hessian.tensors)
            if (a.tensor == b.tensor)
                for (std::size_t i = 0; i < a.values.size(); ++i) {
                    f += a.values[i];
                    h += b.values[i];
                    variance += b.standard_errors[i] * b.standard_errors[i];
                    floors += b.floor;
                    quantile = b.quantile;
                }
    // errors of one probe's values hang together; the sum of the variances is the least that the sum's can be taken for
    if (!(h > quantile * std::sqrt(variance) + floors))
        return metric::missing("the curvature's sum is not clearly positive");
    return metric(f / h);
}

}  // namespace weightscope
