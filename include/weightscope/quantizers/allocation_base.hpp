#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/quantizers/allocation_bound.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope::detail {

inline constexpr double allocation_infinity = std::numeric_limits<double>::infinity();

// What the items from some place of the order on can still do.
struct allocation_prospect
{
    double least_regret = allocation_infinity;
    std::array<double, most_budgets> saving_rate = {allocation_infinity, allocation_infinity, allocation_infinity};  // regret for a unit saved, at least
    std::array<double, most_budgets> spending_rate = {allocation_infinity, allocation_infinity, allocation_infinity};
    allocation_costs most_saved = {};
};

// Where a search begins: the solution of the Lagrangian, in which every item takes its cheapest choice at the best prices.
class allocation_base
{
public:
    std::vector<std::size_t> chosen = {};             // [items] entries
    allocation_costs excess = {};                     // costs beyond the budgets; negative: left
    std::vector<double> regrets = {};                 // [entries] what another choice loses at these prices, 0 or more
    std::vector<std::size_t> order = {};              // items with a choice, the closest decision first
    std::vector<allocation_prospect> prospects = {};  // [order + 1]

    allocation_base(const allocation_table& table, const allocation_multipliers& prices)
        : table_(table), prices_(prices), budgets_(table.budget_count)
    {
        choose_cheapest();
        order_items();
    }

    bool fits(const allocation_costs& costs) const
    {
        return std::all_of(costs.begin(), costs.begin() + static_cast<std::ptrdiff_t>(budgets_), [](std::int64_t e) { return e <= 0; });
    }

    double regret_with_rest(const allocation_costs& costs, double regret) const
    {
        for (std::size_t b = 0; b < budgets_; ++b)
            regret -= prices_[b] * static_cast<double>(costs[b]);
        return regret;
    }

    // An allocation within the budgets: this one, changed where least is lost for what is saved, then filled up. Returns its entries,
    // none where it did not find one, and its regret.
    std::pair<std::vector<std::size_t>, double> repaired() const
    {
        std::vector<std::size_t> entries = chosen;
        allocation_costs costs = excess;
        const auto changed = [&](std::size_t g, std::size_t e) {
            allocation_costs result = costs;
            for (std::size_t b = 0; b < budgets_; ++b)
                result[b] += table_.entries[e].cost[b] - table_.entries[entries[g]].cost[b];
            return result;
        };
        while (!fits(costs)) {
            double best_rate = allocation_infinity;
            std::size_t item = 0, entry = table_.entries.size();
            for (const std::size_t g : order)
                for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e) {
                    const double saved = overrun(costs) - overrun(changed(g, e));
                    const double rate = (regrets[e] - regrets[entries[g]]) / saved;
                    if (saved > 0 && rate < best_rate)
                        best_rate = rate, item = g, entry = e;
                }
            if (entry == table_.entries.size())
                return {{}, allocation_infinity};
            costs = changed(item, entry);
            entries[item] = entry;
        }
        double regret = 0;
        for (const std::size_t g : order) {
            std::size_t better = entries[g];
            for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e)
                if (table_.entries[e].loss < table_.entries[better].loss && fits(changed(g, e)))
                    better = e;
            costs = changed(g, better);
            entries[g] = better;
            regret += regrets[better];
        }
        return {std::move(entries), regret_with_rest(costs, regret)};
    }

private:
    double overrun(const allocation_costs& costs) const
    {
        double sum = 0;
        for (std::size_t b = 0; b < budgets_; ++b)
            sum += costs[b] > 0 ? static_cast<double>(costs[b]) / (static_cast<double>(table_.budget[b]) + 1) : 0;
        return sum;
    }

    double regret_of(std::size_t e, std::size_t base) const
    {
        double sum = table_.entries[e].loss - table_.entries[base].loss;
        for (std::size_t b = 0; b < budgets_; ++b)
            sum += prices_[b] * static_cast<double>(table_.entries[e].cost[b] - table_.entries[base].cost[b]);
        return std::max(sum, 0.0);
    }

    void choose_cheapest()
    {
        for (std::size_t b = 0; b < budgets_; ++b)
            excess[b] = -table_.budget[b];
        for (std::size_t g = 0; g < table_.item_count(); ++g) {
            std::size_t base = table_.first[g];
            for (std::size_t e = base + 1; e < table_.first[g + 1]; ++e)
                if (allocation_priced(table_.entries[e], prices_, budgets_) < allocation_priced(table_.entries[base], prices_, budgets_))
                    base = e;
            chosen.push_back(base);
            for (std::size_t b = 0; b < budgets_; ++b)
                excess[b] += table_.entries[base].cost[b];
            for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e)
                regrets.push_back(regret_of(e, base));
        }
    }

    void order_items()
    {
        std::vector<std::pair<double, std::size_t>> by_regret;
        for (std::size_t g = 0; g < table_.item_count(); ++g) {
            double least = allocation_infinity;
            for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e)
                least = e == chosen[g] ? least : std::min(least, regrets[e]);
            if (least < allocation_infinity)
                by_regret.emplace_back(least, g);
        }
        std::sort(by_regret.begin(), by_regret.end());
        prospects.resize(by_regret.size() + 1);
        for (std::size_t k = by_regret.size(); k-- > 0;) {
            const auto [least, g] = by_regret[k];
            allocation_prospect& here = prospects[k];
            here = prospects[k + 1];
            here.least_regret = least;
            allocation_costs saved = {};
            for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e)
                for (std::size_t b = 0; b < budgets_; ++b) {
                    const std::int64_t more = table_.entries[e].cost[b] - table_.entries[chosen[g]].cost[b];
                    if (more == 0)
                        continue;
                    double& rate = more < 0 ? here.saving_rate[b] : here.spending_rate[b];
                    rate = std::min(rate, regrets[e] / std::fabs(static_cast<double>(more)));
                    saved[b] = std::max(saved[b], -more);
                }
            for (std::size_t b = 0; b < budgets_; ++b)
                here.most_saved[b] += saved[b];
        }
        for (const auto& [least, g] : by_regret)
            order.push_back(g);
    }

    const allocation_table& table_;
    allocation_multipliers prices_;
    std::size_t budgets_;
};

}  // namespace weightscope::detail
