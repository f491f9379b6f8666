#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope::detail {

using allocation_costs = std::array<std::int64_t, most_budgets>;

using allocation_multipliers = std::array<double, most_budgets>;

// A choice that nothing else of its item beats in everything.
struct allocation_entry
{
    double loss = 0;
    allocation_costs cost = {};  // beyond the least of the item, in units of the greatest common divisor
    std::size_t choice = 0;      // of the problem
};

// A problem without what cannot matter. Costs have no common divisor left and budgets are rounded down to it, which sharpens every bound.
struct allocation_table
{
    std::size_t budget_count = 1;
    std::vector<allocation_entry> entries = {};  // of item g: first[g] to first[g + 1], by rising cost of the first budget
    std::vector<std::size_t> first = {0};
    allocation_costs budget = {};                // what is left of it above the least costs
    std::vector<std::uint64_t> least = {};       // [budgets] Σ of the least costs, as in the problem
    allocation_costs unit = {1, 1, 1};           // the common divisors
    bool fits = true;                            // each budget holds its least costs

    std::size_t item_count() const { return first.size() - 1; }
};

WEIGHTSCOPE_INLINE void append_undominated(allocation_table& table, std::vector<allocation_entry> entries);

inline allocation_table make_allocation_table(const allocation_problem& problem)
{
    const std::size_t budgets = problem.budgets.size();
    allocation_table table{.budget_count = budgets, .least = std::vector<std::uint64_t>(budgets)};
    for (const allocation_item& item : problem.items) {
        std::vector<std::uint64_t> least = item.choices.front().costs;
        for (const allocation_choice& choice : item.choices)
            for (std::size_t k = 0; k < budgets; ++k)
                least[k] = std::min(least[k], choice.costs[k]);
        std::vector<allocation_entry> entries;
        for (std::size_t i = 0; i < item.choices.size(); ++i) {
            allocation_entry& entry = entries.emplace_back(allocation_entry{.loss = item.choices[i].loss, .choice = i});
            for (std::size_t k = 0; k < budgets; ++k)
                entry.cost[k] = static_cast<std::int64_t>(item.choices[i].costs[k] - least[k]);
        }
        append_undominated(table, std::move(entries));
        for (std::size_t k = 0; k < budgets; ++k)
            table.least[k] += least[k];
    }
    for (std::size_t k = 0; k < budgets; ++k) {
        table.fits &= problem.budgets[k] >= table.least[k];
        if (problem.budgets[k] < table.least[k])
            continue;
        std::int64_t divisor = 0, most = 0;
        for (const allocation_entry& entry : table.entries)
            divisor = std::gcd(divisor, entry.cost[k]);
        table.unit[k] = divisor = std::max<std::int64_t>(divisor, 1);
        for (std::size_t g = 0; g < table.item_count(); ++g) {
            std::int64_t largest = 0;
            for (std::size_t e = table.first[g]; e < table.first[g + 1]; ++e) {
                table.entries[e].cost[k] /= divisor;
                largest = std::max(largest, table.entries[e].cost[k]);
            }
            most += largest;
        }
        // more than everything is no more than everything
        table.budget[k] = static_cast<std::int64_t>(
            std::min((problem.budgets[k] - table.least[k]) / static_cast<std::uint64_t>(divisor), static_cast<std::uint64_t>(most)));
    }
    return table;
}

inline double allocation_priced(const allocation_entry& entry, const allocation_multipliers& prices, std::size_t budgets)
{
    double sum = entry.loss;
    for (std::size_t k = 0; k < budgets; ++k)
        sum += prices[k] * static_cast<double>(entry.cost[k]);
    return sum;
}

// The Lagrangian: no allocation within the budgets loses less.
inline double allocation_bound_at(const allocation_table& table, const allocation_multipliers& prices)
{
    double sum = 0;
    for (std::size_t g = 0; g < table.item_count(); ++g) {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t e = table.first[g]; e < table.first[g + 1]; ++e)
            least = std::min(least, allocation_priced(table.entries[e], prices, table.budget_count));
        sum += least;
    }
    for (std::size_t k = 0; k < table.budget_count; ++k)
        sum -= prices[k] * static_cast<double>(table.budget[k]);
    return sum;
}

// A step to the next vertex of an item's lower convex hull over the first cost.
struct allocation_step
{
    double rate = 0;  // loss saved by a unit of cost
    std::size_t item = 0;
    std::size_t from = 0, to = 0;  // entries
};

// All hull steps, the best rate first. `prices` of the other budgets are part of the loss.
WEIGHTSCOPE_INLINE std::vector<allocation_step> allocation_steps(const allocation_table& table, const allocation_multipliers& prices = {});

// The best price of the first budget, given those of the others: the rate of the step that no longer fits.
inline double best_first_price(const allocation_table& table, const allocation_multipliers& prices)
{
    std::int64_t spent = 0;
    for (const allocation_step& step : allocation_steps(table, prices)) {
        spent += table.entries[step.to].cost[0] - table.entries[step.from].cost[0];
        if (spent > table.budget[0])
            return step.rate;
    }
    return 0;
}

// If this were the only budget, a higher price would change nothing: every item takes its least cost.
inline double highest_price(const allocation_table& table, std::size_t k)
{
    double highest = 0;
    for (std::size_t g = 0; g < table.item_count(); ++g) {
        double cheap = std::numeric_limits<double>::infinity();
        for (std::size_t e = table.first[g]; e < table.first[g + 1]; ++e)
            cheap = table.entries[e].cost[k] == 0 ? std::min(cheap, table.entries[e].loss) : cheap;
        for (std::size_t e = table.first[g]; e < table.first[g + 1]; ++e)
            if (table.entries[e].cost[k] > 0)
                highest = std::max(highest, (cheap - table.entries[e].loss) / static_cast<double>(table.entries[e].cost[k]));
    }
    return highest;
}

// Fills in the best prices of budgets 0 to k, given the others, and returns the bound. The bound is concave in each price and so has one
// peak on a logarithmic scale: golden sections find it.
inline double best_prices(const allocation_table& table, std::size_t k, allocation_multipliers& prices)
{
    if (k == 0) {
        prices[0] = best_first_price(table, prices);
        return allocation_bound_at(table, prices);
    }
    const auto try_price = [&](double price, allocation_multipliers& at) {
        at = prices;
        at[k] = price;
        return best_prices(table, k - 1, at);
    };
    allocation_multipliers best;
    double bound = try_price(0, best);
    const double highest = highest_price(table, k);
    if (highest > 0) {
        constexpr double section = 0.6180339887498949;
        const int rounds = table.budget_count == 2 ? 48 : 30;
        double low = std::log(highest) - 28, high = std::log(highest) + 7;  // the prices of others may add to what a unit is worth
        allocation_multipliers left_at, right_at;
        double left = high - section * (high - low), right = low + section * (high - low);
        double left_bound = try_price(std::exp(left), left_at), right_bound = try_price(std::exp(right), right_at);
        for (int round = 0; round < rounds; ++round) {
            if (left_bound > bound)
                bound = left_bound, best = left_at;
            if (right_bound > bound)
                bound = right_bound, best = right_at;
            if (left_bound < right_bound) {
                low = left;
                left = right, left_bound = right_bound, left_at = right_at;
                right = low + section * (high - low);
                right_bound = try_price(std::exp(right), right_at);
            } else {
                high = right;
                right = left, right_bound = left_bound, right_at = left_at;
                left = high - section * (high - low);
                left_bound = try_price(std::exp(left), left_at);
            }
        }
    }
    prices = best;
    return bound;
}

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/allocation_bound.hpp>
#endif
