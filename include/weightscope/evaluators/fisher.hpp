#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/sample_gradients.hpp>

namespace weightscope {

/// Mean squared gradient of a sample by each weight of a tensor.
struct tensor_fisher
{
    std::size_t tensor = 0;
    std::vector<double> values = {};           ///< row-major, never negative
    std::vector<double> standard_errors = {};  ///< from the variance over samples; empty where there is only one
};

struct fisher_result
{
    std::vector<tensor_fisher> tensors = {};
    std::size_t samples = 0;
    evaluation_counts counts = {};
};

namespace detail {

inline fisher_result fisher(any_evaluator& evaluator, const evaluation_options& options, const char* caller)
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

/// The diagonal of the empirical Fisher information: the mean over samples of the squared gradient.
///
///     F_ii = 1/N · sum over samples n of (d loss_n / d w_i)²
///
/// @param evaluator  per_sample_gradient_evaluator, or differentiable_evaluator whose batches are of one sample each
/// @param options    batches, tensors, progress
/// @return           see fisher_result
/// @throws std::invalid_argument  there are no gradients of samples: squares of batch means are not the Fisher information
/// @note   N gradients of samples; memory: 3 doubles per weight of the chosen tensors
template <class E>
[[nodiscard]] fisher_result estimate_fisher(E& evaluator, const evaluation_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::fisher(held, options, "estimate_fisher(evaluator, options)");
}

/// What share of the true curvature the Fisher information shows, over the tensors that both have.
///
///     sum of F_ii / sum of H_ii
///
/// @return  near 1 where a model fits its data as a likelihood should; toward 0 near a minimum with small loss, where second-order
///          scores built on it vanish. Missing where the curvature's sum is not clearly positive.
[[nodiscard]] inline metric fisher_to_curvature_ratio(const fisher_result& fisher, const hessian_diagonal_result& hessian)
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
