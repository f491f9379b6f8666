#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_bound.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>
#include <weightscope/quantizers/allocation_search.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE allocation_result allocate_choices(const allocation_problem& problem, const allocation_options& options)
{
    detail::require_allocation(problem, "allocate_choices(problem, options)");
    const std::size_t budgets = problem.budgets.size();
    const detail::allocation_table table = detail::make_allocation_table(problem);
    allocation_result result{.proven = true, .least_costs = table.least};
    result.lower_bound = std::numeric_limits<double>::infinity();
    if (!table.fits)
        return result;
    detail::allocation_multipliers prices = {};
    const double bound = detail::best_prices(table, budgets - 1, prices);
    for (std::size_t k = 0; k < budgets; ++k)
        result.prices.push_back(prices[k] / static_cast<double>(table.unit[k]));
    detail::allocation_search search(table, prices, options.state_limit, options.max_seconds);
    search.run();
    result.state_count = search.state_count();
    result.feasible = search.found();
    result.proven = search.least_regret() >= search.best_regret();
    result.lower_bound = bound + search.least_regret();
    if (!result.feasible)
        return result;
    result.loss = 0;
    result.costs.assign(budgets, 0);
    for (std::size_t g = 0; g < problem.items.size(); ++g) {
        result.choices.push_back(table.entries[search.best()[g]].choice);
        const allocation_choice& choice = problem.items[g].choices[result.choices.back()];
        result.loss += choice.loss;
        for (std::size_t k = 0; k < budgets; ++k)
            result.costs[k] += choice.costs[k];
    }
    result.lower_bound = result.proven ? result.loss : std::min(result.lower_bound, result.loss);
    result.gap = result.loss - result.lower_bound;
    return result;
}

}  // namespace weightscope
