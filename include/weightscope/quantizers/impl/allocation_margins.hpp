#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_bound.hpp>
#include <weightscope/quantizers/allocation_margins.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope {

namespace detail {

// The Lagrangian's lower bounds of what it costs to force each choice of each item.
struct forced_choice
{
    double at_least = 0;
    std::size_t item = 0, choice = 0;
};

inline std::vector<forced_choice> forced_choices(const allocation_problem& problem, const allocation_result& best)
{
    const allocation_table table = make_allocation_table(problem);
    allocation_multipliers prices = {};
    double bound = best_prices(table, table.budget_count - 1, prices), rounded = 0;
    for (std::size_t k = 0; k < table.budget_count; ++k) {
        const std::uint64_t left = problem.budgets[k] - table.least[k], unit = static_cast<std::uint64_t>(table.unit[k]);
        bound += prices[k] * (static_cast<double>(table.budget[k]) - static_cast<double>(left / unit));
        rounded += prices[k] * static_cast<double>(left % unit) / static_cast<double>(unit);
    }
    const auto priced_choice = [&](const allocation_choice& choice) {
        double sum = choice.loss;
        for (std::size_t k = 0; k < table.budget_count; ++k)
            sum += prices[k] * static_cast<double>(choice.costs[k]) / static_cast<double>(table.unit[k]);
        return sum;
    };
    // The budgets are rounded down to what the choices that matter can add up to; others may come closer to them.
    const auto is_odd = [&](const allocation_item& item, const allocation_choice& choice) {
        for (std::size_t k = 0; k < table.budget_count; ++k)
            for (const allocation_choice& other : item.choices)
                if ((other.costs[k] < choice.costs[k] ? choice.costs[k] - other.costs[k] : other.costs[k] - choice.costs[k])
                        % static_cast<std::uint64_t>(table.unit[k])
                    != 0)
                    return true;
        return false;
    };
    std::vector<forced_choice> result;
    for (std::size_t g = 0; g < problem.items.size(); ++g) {
        const auto& choices = problem.items[g].choices;
        double least = std::numeric_limits<double>::infinity();
        for (const allocation_choice& choice : choices)
            least = std::min(least, priced_choice(choice));
        for (std::size_t i = 0; i < choices.size(); ++i)
            if (i != best.choices[g])
                result.push_back({.at_least = std::max(0.0, bound - (is_odd(problem.items[g], choices[i]) ? rounded : 0)
                                                               + priced_choice(choices[i]) - least - best.loss),
                                  .item = g,
                                  .choice = i});
    }
    std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
        return std::tie(a.at_least, a.item, a.choice) < std::tie(b.at_least, b.item, b.choice);
    });
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<allocation_margin> allocation_margins(const allocation_problem& problem, const allocation_result& best,
                                                                     const std::vector<std::vector<double>>& standard_errors,
                                                                     const allocation_margins_options& options)
{
    constexpr const char* caller = "allocation_margins(problem, best, standard_errors)";
    detail::require_allocation(problem, caller);
    require(best.choices.size() == problem.items.size(), "{}: best.choices has {} items, expected {}, those of the problem", caller,
            best.choices.size(), problem.items.size());
    require(standard_errors.empty() || standard_errors.size() == problem.items.size(),
            "{}: there are standard errors of {} items, expected {}, those of the problem", caller, standard_errors.size(), problem.items.size());
    std::vector<allocation_margin> margins(problem.items.size());
    for (std::size_t g = 0; g < margins.size(); ++g) {
        margins[g].rival = best.choices[g];
        require(standard_errors.empty() || standard_errors[g].size() == problem.items[g].choices.size(),
                "{}: item {} has {} standard errors, expected {}, one for each choice", caller, g,
                standard_errors.empty() ? 0 : standard_errors[g].size(), problem.items[g].choices.size());
    }
    const auto error_of = [&](std::size_t g, std::size_t i) { return standard_errors.empty() ? 0 : standard_errors[g][i]; };
    allocation_problem forced = problem;
    std::size_t solved = 0;
    for (const detail::forced_choice& one : detail::forced_choices(problem, best)) {
        allocation_margin& margin = margins[one.item];
        const double moved = std::max(error_of(one.item, one.choice), error_of(one.item, best.choices[one.item]));
        if (one.at_least >= margin.margin && one.at_least >= moved)
            continue;
        double more = one.at_least;
        bool exact = false;
        if (solved < options.solution_limit) {
            forced.items[one.item].choices = {problem.items[one.item].choices[one.choice]};
            const allocation_result other = allocate_choices(forced, {.state_limit = options.state_limit});
            forced.items[one.item].choices = problem.items[one.item].choices;
            more = other.proven && !other.feasible ? std::numeric_limits<double>::infinity() : std::max(0.0, other.lower_bound - best.loss);
            exact = other.proven;
            ++solved;
        }
        margin.flips |= more < moved;
        if (more < margin.margin) {
            margin.margin = more;
            margin.rival = one.choice;
            margin.exact = exact;
        }
    }
    return margins;
}

}  // namespace weightscope
