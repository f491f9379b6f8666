#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>

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

WEIGHTSCOPE_INLINE fisher_result fisher(any_evaluator& evaluator, const evaluation_options& options, const char* caller);

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
[[nodiscard]] WEIGHTSCOPE_INLINE metric fisher_to_curvature_ratio(const fisher_result& fisher, const hessian_diagonal_result& hessian);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/fisher.hpp>
#endif
