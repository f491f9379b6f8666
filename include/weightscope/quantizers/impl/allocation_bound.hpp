#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/allocation_bound.hpp>

namespace weightscope::detail {

inline bool allocation_dominates(const allocation_entry& a, const allocation_entry& b, std::size_t budgets)
{
    for (std::size_t k = 0; k < budgets; ++k)
        if (a.cost[k] > b.cost[k])
            return false;
    return a.loss < b.loss || (a.loss == b.loss && (a.cost != b.cost || a.choice < b.choice));
}

WEIGHTSCOPE_INLINE void append_undominated(allocation_table& table, std::vector<allocation_entry> entries)
{
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return std::tie(a.cost, a.loss, a.choice) < std::tie(b.cost, b.loss, b.choice);
    });
    const std::size_t begin = table.entries.size();
    for (const allocation_entry& entry : entries) {
        const auto kept = table.entries.begin() + static_cast<std::ptrdiff_t>(begin);
        if (std::none_of(kept, table.entries.end(), [&](const auto& other) { return allocation_dominates(other, entry, table.budget_count); }))
            table.entries.push_back(entry);
    }
    table.first.push_back(table.entries.size());
}

WEIGHTSCOPE_INLINE std::vector<allocation_step> allocation_steps(const allocation_table& table, const allocation_multipliers& prices)
{
    const auto loss_of = [&](std::size_t e) {
        double loss = table.entries[e].loss;
        for (std::size_t k = 1; k < table.budget_count; ++k)
            loss += prices[k] * static_cast<double>(table.entries[e].cost[k]);
        return loss;
    };
    const auto rate_of = [&](std::size_t a, std::size_t b) {
        return (loss_of(a) - loss_of(b)) / static_cast<double>(table.entries[b].cost[0] - table.entries[a].cost[0]);
    };
    std::vector<allocation_step> steps;
    std::vector<std::size_t> hull;
    for (std::size_t g = 0; g < table.item_count(); ++g) {
        hull.clear();
        for (std::size_t e = table.first[g]; e < table.first[g + 1]; ++e) {
            if (!hull.empty() && !(loss_of(e) < loss_of(hull.back())))
                continue;
            if (!hull.empty() && table.entries[e].cost[0] == table.entries[hull.back()].cost[0])
                hull.pop_back();
            while (hull.size() > 1 && rate_of(hull[hull.size() - 2], hull.back()) <= rate_of(hull.back(), e))
                hull.pop_back();
            hull.push_back(e);
        }
        for (std::size_t i = 1; i < hull.size(); ++i)
            steps.push_back({.rate = rate_of(hull[i - 1], hull[i]), .item = g, .from = hull[i - 1], .to = hull[i]});
    }
    std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.rate > b.rate; });
    return steps;
}

}  // namespace weightscope::detail
