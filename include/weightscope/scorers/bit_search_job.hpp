#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/resume_file.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// What a search goes through, decided before the first forward.
struct bit_search_job
{
    any_evaluator& evaluator;
    rank_bits_options options;
    bit_flipper flipper;
    bit_gauge gauge;
    bit_set set;
    std::vector<bit_candidate> candidates = {};  // of this shard
    std::vector<std::size_t> numbers = {};       // of these, in the whole list
    std::vector<bit_place> after = {};           // flips that are made first
    std::vector<bit_place> places = {};          // of the flips, candidate by candidate, bits rising
    std::vector<bit_trial_outcome> outcomes = {};  // of their values before the search: those that are finite are run
    bool up = true;

    // one_bit: the only bit of each candidate that counts; empty: all of the set
    bit_search_job(any_evaluator& e, std::span<const bit_candidate> all, const rank_bits_options& how, const model* stored, const char* caller,
                   std::span<const unsigned> one_bit = {});

    // How many flips of the first candidates are run on top of those that are made first.
    std::size_t eligible_among(std::size_t count) const;
    // Looks that a search among so many flips takes, at most.
    std::size_t looks_for(std::size_t eligible) const;

    planned_flip planned(const bit_place& place, std::span<const bit_place> before) const;

private:
    static std::vector<std::string> recorded(const rank_bits_options& how);

    void find_after(const char* caller);

    void find_places(std::span<const unsigned> one_bit, const char* caller);
};

WEIGHTSCOPE_INLINE task_fingerprint bit_search_fingerprint(const bit_search_job& job);

// Of the whole model and the data, for results that are to be put together.
WEIGHTSCOPE_INLINE std::string bit_model_fingerprint(const any_evaluator& evaluator, const std::vector<std::size_t>& batches);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_search_job.hpp>
#endif
