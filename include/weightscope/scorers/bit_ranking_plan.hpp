#pragma once

#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

/// What rank_bits() will cost, known before it starts.
struct bit_ranking_plan
{
    std::size_t candidates = 0;    ///< of all the candidates, those from the first on that the budget allows
    std::size_t flips = 0;         ///< bits of these
    std::size_t evaluations = 0;   ///< passes over the data that flips take; a progressive search may stop before
    bool at_most = false;          ///< it is one that may
    evaluation_plan evaluation = {};  ///< calls with those for the model before the search, seconds on one thread; refusal where the budget buys nothing
};

namespace detail {

WEIGHTSCOPE_INLINE bit_ranking_plan plan_rank_bits(any_evaluator& evaluator, std::span<const bit_candidate> candidates,
                                                   const rank_bits_options& options, const evaluation_budget& budget, const model* stored,
                                                   const char* caller);

}  // namespace detail

/// Says what rank_bits() will cost, and how many of the candidates, from the first on, a budget allows.
///
/// @return  see bit_ranking_plan: rank the first `candidates` of them
/// @throws std::invalid_argument  as rank_bits()
/// @note    costs three passes over the data
template <forward_evaluator E>
[[nodiscard]] bit_ranking_plan plan_rank_bits(E& evaluator, std::span<const bit_candidate> candidates, const rank_bits_options& options = {},
                                              const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_rank_bits(held, candidates, options, budget, nullptr, "plan_rank_bits(evaluator, candidates, options)");
}

/// The same for rank_bits(model, evaluator, candidates, options).
template <forward_evaluator E>
[[nodiscard]] bit_ranking_plan plan_rank_bits(const model& m, E& evaluator, std::span<const bit_candidate> candidates,
                                              const rank_bits_options& options = {}, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_rank_bits(held, candidates, options, budget, &m, "plan_rank_bits(model, evaluator, candidates, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_ranking_plan.hpp>
#endif
