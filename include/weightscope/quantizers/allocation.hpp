#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope {

struct allocation_options
{
    std::size_t state_limit = 20'000'000;  ///< partial allocations looked at before the best one is returned with its gap
    double max_seconds = 0;                ///< the same after this time, which makes the outcome depend on the machine; 0: no limit
};

struct allocation_result
{
    bool feasible = false;                           ///< an allocation within the budgets was found
    bool proven = false;                             ///< it is the optimum, or there is none
    std::vector<std::size_t> choices = {};           ///< [items] index of the choice; empty where none was found
    double loss = std::numeric_limits<double>::infinity();    ///< Σ of the losses, in the order of the items
    std::vector<std::uint64_t> costs = {};           ///< [budgets] Σ
    double lower_bound = 0;                          ///< no allocation within the budgets loses less; to the rounding of the sum
    double gap = std::numeric_limits<double>::infinity();     ///< loss - lower_bound; 0 where proven
    std::vector<double> prices = {};                 ///< [budgets] what the loss falls by for a unit more of the budget, about
    std::vector<std::uint64_t> least_costs = {};     ///< [budgets] the smallest that each of them could be, the others left aside
    std::size_t state_count = 0;                     ///< partial allocations looked at
};

/// The choice for each item that loses least within the budgets: the multiple-choice knapsack, solved exactly.
///
///     allocation_result best = allocate_choices(problem);
///     if (best.feasible) best.choices[layer] ...
///
/// Choices that others beat in everything are dropped. A price for each budget turns it into a part of the loss; the prices that
/// make the bound greatest follow from the convex hulls, for several budgets with golden sections. Branch and bound then decides the
/// items in the order in which their decision is close, keeping of all partial allocations those that nothing allocation_dominates.
///
/// @param problem  up to three budgets; any finite losses, negative ones too; costs are whole numbers, and nothing of them is rounded
/// @param options  see allocation_options
/// @return         see allocation_result; with one budget `feasible` is always known, with more a limit may leave it open
/// @throws std::invalid_argument  an item without choices, a loss that is not finite, costs and budgets that do not match
/// @note   one thread, the same outcome on every machine. 2,000 items of 10 choices take milliseconds; problems made to be hard, such as
///         losses that follow costs exactly, end at the limit.
/// @see    Pisinger 1995, A minimal algorithm for the multiple-choice knapsack problem, doi:10.1016/0377-2217(95)00015-I
[[nodiscard]] WEIGHTSCOPE_INLINE allocation_result allocate_choices(const allocation_problem& problem, const allocation_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/allocation.hpp>
#endif
