#pragma once

#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

/// How many weights of tensors of these sizes get a gradient of their own where gradients are differences of losses. Each costs one
/// forward over the data, two with second derivatives, and the unchanged model one more.
[[nodiscard]] WEIGHTSCOPE_INLINE std::size_t bit_sample_size(std::span<const std::size_t> sizes, const select_bits_options& options = {});

namespace detail {

WEIGHTSCOPE_INLINE planned<select_bits_options> plan_bit_selection(const bit_sources& sources, any_evaluator* evaluator, select_bits_options options,
                                                                   const importance_data& known, const evaluation_budget& budget, const char* caller);

}  // namespace detail

/// Says what select_bits() with these options will cost, and fits it into a budget: fewer weights of each tensor get a gradient of their
/// own, down to per_tensor_k.
///
/// @return  options to run, and the plan: its counts are those of the run, exactly; plan.refusal says why a budget is too small
/// @throws std::invalid_argument  as select_bits()
/// @note    costs three losses, or a loss and a gradient of one batch where the evaluator has gradients
template <forward_evaluator E>
[[nodiscard]] planned<select_bits_options> plan_select_bits(const model& m, E& evaluator, const select_bits_options& options = {},
                                                            const importance_data& known = {}, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_bit_selection(detail::bit_sources_of(m), &held, options, known, budget, "plan_select_bits(model, evaluator, options)");
}

/// The same with the evaluator's own tensors.
template <forward_evaluator E>
[[nodiscard]] planned<select_bits_options> plan_select_bits(E& evaluator, const select_bits_options& options = {}, const importance_data& known = {},
                                                            const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_bit_selection(detail::bit_sources_of(held), &held, options, known, budget, "plan_select_bits(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_selection_plan.hpp>
#endif
