#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

/// One format that an item may take.
struct allocation_choice
{
    double loss = 0;                        ///< what it loses; finite, any unit, may be negative
    std::vector<std::uint64_t> costs = {};  ///< [budgets] what it takes of each
};

/// Something that takes exactly one of its choices: a layer, or layers that have to agree.
struct allocation_item
{
    std::vector<allocation_choice> choices = {};
};

/// Which choice for each item, so that the losses add up to as little as the budgets allow.
///
///     allocation_problem problem{.budgets = {500'000}};
///     problem.items.push_back({{{.loss = 3.5, .costs = {100'000}}, {.loss = 0.2, .costs = {200'000}}}});
struct allocation_problem
{
    std::vector<allocation_item> items = {};
    std::vector<std::uint64_t> budgets = {};  ///< one to three: bytes, bit operations, latency in whole nanoseconds...
};

/// One item whose choice i is choice i of all of these.
///
/// @param items  one or more, with as many choices and costs each
/// @throws std::invalid_argument  they do not have the same number of choices
[[nodiscard]] WEIGHTSCOPE_INLINE allocation_item tie_items(std::span<const allocation_item> items);

namespace detail {

inline constexpr std::size_t most_budgets = 3;

/// Throws unless the problem can be asked; `caller` is for the message.
inline void require_allocation(const allocation_problem& problem, const char* caller)
{
    const std::size_t budgets = problem.budgets.size();
    require(budgets >= 1 && budgets <= most_budgets, "{}: problem.budgets has {} numbers, expected 1 to {}", caller, budgets, most_budgets);
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() >> 2;
    double magnitude = 0;
    std::vector<std::uint64_t> sums(budgets);
    for (std::size_t g = 0; g < problem.items.size(); ++g) {
        const std::vector<allocation_choice>& choices = problem.items[g].choices;
        require(!choices.empty(), "{}: item {} has no choices, expected one or more", caller, g);
        std::vector<std::uint64_t> largest(budgets);
        double worst = 0;
        for (const allocation_choice& choice : choices) {
            require(std::isfinite(choice.loss), "{}: item {} has a loss of {}, expected finite ones", caller, g, choice.loss);
            require(choice.costs.size() == budgets, "{}: item {} has a choice with {} costs, expected one for each of the {} budgets", caller, g,
                    choice.costs.size(), budgets);
            worst = std::max(worst, std::fabs(choice.loss));
            for (std::size_t k = 0; k < budgets; ++k)
                largest[k] = std::max(largest[k], choice.costs[k]);
        }
        magnitude += worst;
        for (std::size_t k = 0; k < budgets; ++k) {
            require(largest[k] <= most - sums[k], "{}: the costs add up to more than {}, expected less", caller, most);
            sums[k] += largest[k];
        }
    }
    require(magnitude < 1e300, "{}: the losses add up to {}, expected less than 1e300", caller, magnitude);
}

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/allocation_problem.hpp>
#endif
