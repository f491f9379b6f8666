#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/allocation_bound.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope {

/// One change on the way from the cheapest allocation to the one that loses least.
struct allocation_front_step
{
    std::size_t item = 0;    ///< that changes
    std::size_t choice = 0;  ///< what it takes from here on
    std::uint64_t cost = 0;  ///< of the whole allocation, after the change
    double loss = 0;
};

/// The convex front of what allocations cost and lose: each of its points is the optimum for its own cost.
struct allocation_front
{
    std::vector<std::size_t> cheapest = {};         ///< [items] choices where it begins
    std::uint64_t cost = 0;                         ///< of these
    double loss = 0;
    std::vector<allocation_front_step> steps = {};  ///< the one that saves most for its cost first
};

namespace detail {

// A sum that remembers what rounding took from it (Neumaier 1974): from thousands of bits of loss it comes back to 0.
struct allocation_sum
{
    double sum = 0, lost = 0;

    void add(double x)
    {
        const double next = sum + x;
        lost += std::fabs(sum) >= std::fabs(x) ? (sum - next) + x : (x - next) + sum;
        sum = next;
    }
    double value() const { return sum + lost; }
};

}  // namespace detail

/// All allocations that are the best for some price of the budget.
///
/// @param problem  with one budget, which plays no part
/// @return         see allocation_front; between its points lie optima that only allocate_choices() finds, above the straight lines
/// @throws std::invalid_argument  see allocate_choices; or there is more than one budget
[[nodiscard]] inline allocation_front allocate_front(const allocation_problem& problem)
{
    detail::require_allocation(problem, "allocate_front(problem)");
    require(problem.budgets.size() == 1, "allocate_front(problem): problem.budgets has {} numbers, expected 1", problem.budgets.size());
    const detail::allocation_table table = detail::make_allocation_table(problem);
    allocation_front front;
    detail::allocation_sum first;
    for (std::size_t g = 0; g < problem.items.size(); ++g) {
        const detail::allocation_entry& entry = table.entries[table.first[g]];
        front.cheapest.push_back(entry.choice);
        front.cost += problem.items[g].choices[entry.choice].costs.front();
        first.add(entry.loss);
    }
    front.loss = first.value();
    std::vector<std::size_t> chosen = front.cheapest;
    std::uint64_t cost = front.cost;
    detail::allocation_sum loss = first;
    for (const detail::allocation_step& step : detail::allocation_steps(table)) {
        const std::size_t choice = table.entries[step.to].choice;
        const allocation_choice& before = problem.items[step.item].choices[chosen[step.item]];
        const allocation_choice& after = problem.items[step.item].choices[choice];
        cost += after.costs.front() - before.costs.front();
        loss.add(after.loss);
        loss.add(-before.loss);
        chosen[step.item] = choice;
        front.steps.push_back({.item = step.item, .choice = choice, .cost = cost, .loss = loss.value()});
    }
    return front;
}

}  // namespace weightscope
