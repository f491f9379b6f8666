#pragma once

#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void search_independent(bit_search_job& job, bit_search_runner& runner, bit_ranking& result);

WEIGHTSCOPE_INLINE bit_ranking rank_bits(any_evaluator& evaluator, std::span<const bit_candidate> candidates, const rank_bits_options& options,
                                         const model* stored, const char* caller);

}  // namespace detail

/// Flips bits of the candidates for real, one at a time, and ranks the flips by what they do to a figure of the model.
///
///     const bit_selection chosen = select_bits(evaluator);
///     const bit_ranking ranking = rank_bits(evaluator, chosen.candidates, {.top_b = 3});
///     to_json(bit_plan{.flips = ranking.plan})   // what `bits flip` applies
///
/// Independent: each flip alone. Progressive: the flip that moves the figure most is kept, and the others are tried on top of it, up to
/// top_b flips, until none helps (unless options.go_on); other bits of a weight that has been flipped stay in, up to
/// options.flips_per_weight. With options.after a search goes on from an earlier plan. Of equal flips the first in model order is taken. Flips that leave a weight as it is, or make it NaN or Inf,
/// are not run; a loss that is NaN or Inf is an outcome of its own and enters no ranking but as a crash, see options.crashes_first.
///
/// @param evaluator   forward_evaluator; its weights are changed and put back, bit by bit, exceptions or not
/// @param candidates  weights, each bit of which is tried once
/// @param options     see rank_bits_options
/// @return            see bit_ranking; the same for any number of threads with a deterministic evaluator
/// @throws std::invalid_argument  a candidate that the evaluator has not, none has any of the bits, the evaluator has no such figure, the
///                                figure of the model before the search does not exist, options.after does not fit the model, or an
///                                option out of range
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   one pass over the data for each flip, as plan_rank_bits() says. Memory: all trials.
template <forward_evaluator E>
[[nodiscard]] bit_ranking rank_bits(E& evaluator, std::span<const bit_candidate> candidates, const rank_bits_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::rank_bits(held, candidates, options, nullptr, "rank_bits(evaluator, candidates, options)");
}

/// The same for an evaluator of a model's weights: where the model has codes and scales, such as the blocks of GGUF, these are flipped,
/// and the evaluator gets what they stand for.
///
/// @param m  the evaluator has its values under its names
/// @throws std::invalid_argument  the evaluator holds other values in a candidate's place
template <forward_evaluator E>
[[nodiscard]] bit_ranking rank_bits(const model& m, E& evaluator, std::span<const bit_candidate> candidates, const rank_bits_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::rank_bits(held, candidates, options, &m, "rank_bits(model, evaluator, candidates, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_ranking.hpp>
#endif
