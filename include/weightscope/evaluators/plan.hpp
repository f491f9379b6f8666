#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE planned<differences_options> plan_differences(any_evaluator& evaluator, differences_options options,
                                                                 const evaluation_budget& budget);

WEIGHTSCOPE_INLINE planned<hessian_trace_options> plan_trace(any_evaluator& evaluator, hessian_trace_options options,
                                                             const evaluation_budget& budget);

WEIGHTSCOPE_INLINE planned<hessian_diagonal_options> plan_diagonal(any_evaluator& evaluator, hessian_diagonal_options options,
                                                                   const evaluation_budget& budget);

}  // namespace detail

/// Says what estimate_differences() with these options will cost and how good it will be, and fits it into a budget: if not all weights
/// can be had, a random sample of them.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    see differences_options
/// @param budget     see evaluation_budget
/// @return           options to run, with step and noise filled in, and the plan; plan.refusal says why a run is hopeless
/// @note   costs the losses of estimate_steps() and three more
template <class E>
[[nodiscard]] planned<differences_options> plan_estimate(E& evaluator, const differences_options& options, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    auto result = detail::plan_differences(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

/// The same for estimate_hessian_trace(): the budget decides the number of probes. Costs four probes.
template <class E>
[[nodiscard]] planned<hessian_trace_options> plan_estimate(E& evaluator, const hessian_trace_options& options, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    auto result = detail::plan_trace(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

/// The same for estimate_hessian_diagonal(): the budget decides the number of probes. Costs four probes.
template <class E>
[[nodiscard]] planned<hessian_diagonal_options> plan_estimate(E& evaluator, const hessian_diagonal_options& options,
                                                              const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    auto result = detail::plan_diagonal(held, options, budget);
    result.plan.spent = held.counts();
    return result;
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/plan.hpp>
#endif
