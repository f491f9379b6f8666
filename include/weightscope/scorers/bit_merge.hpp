#pragma once

#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bit_ranking merge_bit_rankings(std::span<const bit_ranking> shards, const char* caller);

}  // namespace detail

/// Puts the shards of an independent search together: what the search would have given in one piece, up to counts of passes over the
/// unchanged model and seconds, which add up.
///
/// A progressive search is cut into steps instead: the shards of each step have options.after the plan that the step before gave when it
/// was put together, and the search ends with a plan that does not grow.
///
/// @param shards  all shards of one search, in any order
/// @throws std::invalid_argument  none or not all of them, one twice, or they differ in model, data, figures, bits or settings, or in the
///                                figures of the unchanged model by more than a part in 10^6
[[nodiscard]] WEIGHTSCOPE_INLINE bit_ranking merge_bit_rankings(std::span<const bit_ranking> shards);

/// Puts the shards of one random sample together: the same shares as from the sample in one piece.
///
/// @throws std::invalid_argument  as merge_bit_rankings(), or they are of other samples, or count other flips as failing
[[nodiscard]] WEIGHTSCOPE_INLINE failing_share_result merge_failing_shares(std::span<const failing_share_result> shards);

/// Puts the shards of one choice of weights together: the candidates that it would have given in one piece. Counts and seconds add up.
///
/// @param shards   all of them, in any order
/// @param options  that each was made with
/// @throws std::invalid_argument  none or not all of them, one twice, other numbers of both, or shards of other choices
[[nodiscard]] WEIGHTSCOPE_INLINE bit_selection merge_bit_selections(std::span<const bit_selection> shards,
                                                                    std::span<const select_bits_options> options);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_merge.hpp>
#endif
