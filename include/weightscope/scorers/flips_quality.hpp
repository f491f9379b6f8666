#pragma once

#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/flips_quality_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE flips_quality measure_flips(any_evaluator& evaluator, const model* stored, std::span<const std::vector<planned_flip>> sets,
                                               const measure_flips_options& options, const char* caller);

}  // namespace detail

/// The sets of flips that a ranking tells of: its plan, and, where `each`, those of its ranked flips: of a progressive search the first,
/// the first two..., else each alone, all with the flips that were made before the search.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::vector<planned_flip>> flip_sets_of(const bit_ranking& ranking, bool each = false);

/// Runs a model with sets of bits flipped: loss, the evaluator's figures, and how far the outputs move, as compare_outputs() tells.
///
///     bit_ranking ranking = rank_bits(evaluator, candidates, {.top_b = 3});
///     ranking.quality = measure_flips(evaluator, flip_sets_of(ranking));
///     ranking.quality->after.front().outputs.kl_divergence
///
/// @param evaluator  forward_evaluator, better also output_evaluator; its weights are changed and put back, bit by bit, exceptions or not
/// @param sets       flips that are made together, one after the other; an old code, where there is one, must hold
/// @return           see flips_quality: one model_quality for each set
/// @throws std::invalid_argument  a flip that does not fit the evaluator, or a batch that does not exist
/// @throws cancelled              the progress callback returned false
/// @note   for each set, and for the model without flips, one loss, one measure and one outputs a batch. Up to 1 GB of outputs is kept;
///         those of the unchanged model that do not fit are made again for each set
template <forward_evaluator E>
[[nodiscard]] flips_quality measure_flips(E& evaluator, std::span<const std::vector<planned_flip>> sets, const measure_flips_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::measure_flips(held, nullptr, sets, options, "measure_flips(evaluator, sets, options)");
}

/// The same for the bits that a model is stored in, see rank_bits().
template <forward_evaluator E>
[[nodiscard]] flips_quality measure_flips(const model& m, E& evaluator, std::span<const std::vector<planned_flip>> sets,
                                          const measure_flips_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::measure_flips(held, &m, sets, options, "measure_flips(model, evaluator, sets, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/flips_quality.hpp>
#endif
