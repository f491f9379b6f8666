#pragma once

#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_population.hpp>
#include <weightscope/scorers/bit_source.hpp>

namespace weightscope {

namespace detail {

// Counts the trials of a stratum, of which kind, part, bit and population are known.
WEIGHTSCOPE_INLINE void count_stratum(failing_stratum& result, std::span<const bit_trial> trials, const failing_share_options& options, bool up,
                                      double z, const char* caller);

WEIGHTSCOPE_INLINE void sum_strata(failing_share_result& result, double z, const char* caller);

WEIGHTSCOPE_INLINE std::vector<bit_population> bit_populations(const any_evaluator& evaluator, const bit_sources& sources,
                                                               const failing_share_options& options, std::vector<std::string>& passed_over,
                                                               const char* caller);

WEIGHTSCOPE_INLINE failing_share_plan plan_failing_share(any_evaluator& evaluator, const bit_sources& sources, const failing_share_options& options,
                                                         const evaluation_budget& budget, const char* caller);

WEIGHTSCOPE_INLINE failing_share_result estimate_failing_share(any_evaluator& evaluator, const bit_sources& sources,
                                                               const failing_share_options& options, const model* stored, const char* caller);

}  // namespace detail

/// What share of all single-bit flips makes the model fail, from a random sample of them.
///
///     const failing_share_result r = estimate_failing_share(evaluator, {.bits = "all", .margin = 0.01});
///     r.share.lower, r.share.upper
///
/// Strata are the kinds of tensors (names with their numbers left out) times the bits of each of the numbers that weights are stored in;
/// each gets a part of the sample by its size, drawn without replacement by a generator that depends on the seed, the kind and the bit
/// alone, so that shards can run parts of one sample: see merge_failing_shares(). See stratified_share() for the intervals.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    see failing_share_options
/// @return           see failing_share_result; the same for any number of threads with a deterministic evaluator
/// @throws std::invalid_argument  as rank_bits(), or margin or confidence out of range
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   at most one pass over the data for each flip of the sample, and one for the unchanged model. With fewer samples than strata
///         the smallest strata have none and are not in the share.
/// @see    Leveugle, Calvez, Maistri & Vanhauwaert 2009, doi:10.1109/DATE.2009.5090716
template <forward_evaluator E>
[[nodiscard]] failing_share_result estimate_failing_share(E& evaluator, const failing_share_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::estimate_failing_share(held, detail::bit_sources_of(held), options, nullptr, "estimate_failing_share(evaluator, options)");
}

/// Says what estimate_failing_share() will cost, and how many flips a budget allows.
///
/// @note costs three passes over the data
template <forward_evaluator E>
[[nodiscard]] failing_share_plan plan_failing_share(E& evaluator, const failing_share_options& options = {}, const evaluation_budget& budget = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_failing_share(held, detail::bit_sources_of(held), options, budget, "plan_failing_share(evaluator, options)");
}

/// The same for the bits that a model is stored in, see rank_bits().
template <forward_evaluator E>
[[nodiscard]] failing_share_result estimate_failing_share(const model& m, E& evaluator, const failing_share_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::estimate_failing_share(held, detail::bit_sources_of(m), options, &m, "estimate_failing_share(model, evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_failing_share.hpp>
#endif
