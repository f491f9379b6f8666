#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_search_job.hpp>

namespace weightscope::detail {

// Runs flips, and keeps what they did.
class bit_search_runner
{
public:
    bit_search_runner(bit_search_job& job, bit_ranking& result, const char* caller);

    // Each flip of `active`, on top of those of `committed`, which begin with those that are made first: figures and changes, in their order.
    void run(const std::vector<std::size_t>& active, const std::vector<bit_place>& committed, std::size_t step, std::vector<bit_trial>& into);
    bit_trial trial_of(std::size_t place, const std::vector<bit_place>& committed, std::size_t step) const;
    void finish() { runner_.finish(); }

private:
    // All figures of the model before the search; those that are recorded come first in what changes are taken against.
    std::vector<std::vector<loss_value>> unchanged(const char* caller);

    bit_search_job& job_;
    bit_ranking& result_;
    std::vector<std::vector<loss_value>> base_;
    evaluator_pool pool_;
    item_runner runner_;
    std::size_t next_ = 0;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_search.hpp>
#endif
