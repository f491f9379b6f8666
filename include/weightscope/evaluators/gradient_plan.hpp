#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/spsa.hpp>

namespace weightscope {

namespace detail {

// How far the mean of a few of equally good numbers is from that of all, for a whole vector: √(Σ error² / Σ mean²).
WEIGHTSCOPE_INLINE double relative_error_of(const std::vector<std::vector<running_mean>>& moments, std::size_t count);

WEIGHTSCOPE_INLINE planned<evaluation_options> plan_gradient(any_evaluator& evaluator, evaluation_options options, const evaluation_budget& budget);

WEIGHTSCOPE_INLINE planned<evaluation_options> plan_fisher(any_evaluator& evaluator, evaluation_options options, const evaluation_budget& budget);

WEIGHTSCOPE_INLINE planned<spsa_options> plan_spsa(any_evaluator& evaluator, spsa_options options, const evaluation_budget& budget);

}  // namespace detail

/// Says what estimate_gradient() with these options will cost, and fits it into a budget: if not all batches can be had, a random
/// sample of them.
///
/// @param evaluator  differentiable_evaluator
/// @param options    see estimate_gradient()
/// @param budget     see evaluation_budget
/// @return           options to run, and the plan; plan.refusal says why a run is hopeless. The predicted error is that of a sample of
///                   batches, from four of them; of all batches the gradient is exact
/// @note   costs three gradients of a batch, and four where the budget does not buy all
template <class E>
[[nodiscard]] planned<evaluation_options> plan_gradient(E& evaluator, const evaluation_options& options = {}, const evaluation_budget& budget = {})
{
    static_assert(explain_gradient<E>());
    auto held = detail::hold(evaluator);
    auto result = detail::plan_gradient(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

/// Says what estimate_fisher() with these options will cost and how good it will be, and fits it into a budget: if not all samples can be
/// had, those of a random sample of the batches.
///
/// @param evaluator  per_sample_gradient_evaluator, or differentiable_evaluator whose batches are of one sample each
/// @return           options to run, and the plan; plan.refusal says why a run is hopeless, or impossible
/// @throws std::invalid_argument  the evaluator has no gradients at all
/// @note   costs the gradients of up to eight samples, and a loss where only batches have gradients
template <class E>
[[nodiscard]] planned<evaluation_options> plan_fisher(E& evaluator, const evaluation_options& options = {}, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    auto result = detail::plan_fisher(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

/// Says what estimate_spsa_gradient() with these options will cost and how good it will be, and fits the number of probes into a budget.
///
/// @param evaluator  forward_evaluator
/// @return           options to run, and the plan; plan.refusal says why a run is hopeless: fewer probes than weights are
/// @note   costs three losses
template <class E>
[[nodiscard]] planned<spsa_options> plan_estimate(E& evaluator, const spsa_options& options, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    auto result = detail::plan_spsa(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/gradient_plan.hpp>
#endif
