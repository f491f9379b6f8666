#pragma once
// The best plan within its budgets, or which one is nearest.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_budgets.hpp>
#include <weightscope/study/allocation_items.hpp>
#include <weightscope/study/packed_model.hpp>

namespace weightscope::detail {

// The budgets that were asked for, and what the solution takes of them.
inline std::vector<plan_budget> plan_budgets_of(const allocation_plan& plan)
{
    const allocation_plan_options& asked = plan.settings;
    const allocation_result& found = plan.solution;
    const auto kept = static_cast<double>(plan.kept_bytes);
    const auto used = [&](std::size_t k) { return found.costs.empty() ? 0 : static_cast<double>(found.costs[k]); };
    const auto price = [&](std::size_t k) { return found.prices.empty() ? 0 : found.prices[k]; };
    std::vector<plan_budget> budgets;
    if (asked.bits_per_weight || asked.size)
        budgets.push_back({.name = "bytes", .limit = static_cast<double>(plan.budget), .used = kept + used(0),
                           .least = kept + static_cast<double>(found.least_costs[0]), .price = price(0)});
    std::size_t k = 1;
    if (asked.bit_operations) {
        const auto always = static_cast<double>(plan_kept_bit_operations(plan.study, asked.activation_bits));
        budgets.push_back({.name = "bit operations", .limit = *asked.bit_operations, .used = always + used(k),
                           .least = always + static_cast<double>(found.least_costs[k]), .price = price(k)});
        ++k;
    }
    if (asked.latency) {
        plan_budget latency{.name = "latency", .limit = *asked.latency, .price = *asked.latency > 0 ? price(k) * plan_latency_parts / *asked.latency : 0};
        for (const plan_item& item : plan.items) {
            double least = item.options.front().latency;
            for (const plan_option& option : item.options)
                least = std::min(least, option.latency);
            latency.least += least;
        }
        for (std::size_t g = 0; g < found.choices.size(); ++g)
            latency.used += plan.items[g].options[found.choices[g]].latency;
        budgets.push_back(std::move(latency));
    }
    return budgets;
}

// Throws where no plan keeps to the budgets, and says which is nearest.
inline void require_plan(const allocation_plan& plan)
{
    const auto parameters = static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1));
    const std::uint64_t least = plan.kept_bytes + plan.solution.least_costs.front();
    require(plan.budget >= least, "{}: the budget is {} bytes ({:.4g} bits per weight), and the smallest plan takes {} bytes ({} bits per weight), {} of "
            "them for tensors that are kept; ask for that much, or allow smaller candidates or more tensors", plan_caller, plan.budget,
            8 * static_cast<double>(plan.budget) / parameters, least, std::ceil(8e4 * static_cast<double>(least) / parameters) / 1e4, plan.kept_bytes);
    for (const plan_budget& budget : plan.budgets)
        require(plan.solution.feasible || budget.limit >= budget.least, "{}: the budget is {:.6g} for {}, and no plan takes less than {:.6g}; ask for that much, "
                "or allow smaller candidates or more tensors", plan_caller, budget.limit, budget.name, budget.least);
    if (plan.solution.feasible)
        return;
    // the smallest plan that keeps to the other budgets
    plan_limits others = plan_limits_of(plan, plan.budget);
    others.bytes = std::numeric_limits<std::uint64_t>::max() >> 3;
    allocation_problem problem = problem_of(plan.items, others);
    for (allocation_item& item : problem.items)
        for (allocation_choice& choice : item.choices)
            choice.loss = static_cast<double>(choice.costs.front());
    const allocation_result nearest = allocate_choices(problem, plan.settings.search);
    require(!nearest.feasible, "{}: no plan keeps to all budgets at once; within the others the smallest one {} takes {} bytes, and the budget is {}; ask for "
            "that much, or allow other candidates", plan_caller, nearest.proven ? "there is" : "that was found",
            nearest.feasible ? plan.kept_bytes + nearest.costs.front() : 0, plan.budget);
    require(false, "{}: no plan {} that keeps to all budgets at once; raise one of them, or allow other candidates", plan_caller,
            plan.solution.proven ? "exists" : "was found");
}

// The bytes of the largest plan, for budgets that leave them open.
inline std::uint64_t largest_plan(const allocation_plan& plan)
{
    std::uint64_t bytes = plan.kept_bytes;
    for (const plan_item& item : plan.items)
        bytes += std::max_element(item.options.begin(), item.options.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; })->bytes;
    return bytes;
}

// Makes the plan of a budget in bytes for all tensors.
inline void solve_plan(allocation_plan& plan, std::uint64_t budget)
{
    plan.budget = budget;
    const allocation_problem problem = problem_of(plan.items, plan_limits_of(plan, budget));
    plan.solution = allocate_choices(problem, plan.settings.search);
    plan.budgets = plan_budgets_of(plan);
    require_plan(plan);
    const auto parameters = static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1));
    for (std::size_t g = 0; g < plan.items.size(); ++g)
        plan.items[g].chosen = plan.solution.choices[g];
    variant_result variant = variant_of_choices(plan, plan.solution.choices, "plan");
    plan.bits_per_weight = 8 * static_cast<double>(variant.bytes) / parameters;
    plan.study.variants.resize(plan.variant);
    plan.study.variants.push_back(std::move(variant));
}

// The size of the packed file; 0 where there is none, for lack of a layer.
inline std::uint64_t file_bytes_of(const allocation_plan& plan, const model& m)
{
    for (const study_layer& layer : plan.study.layers)
        if (!layer.error.empty())
            return 0;
    return packed_bytes(m, plan.study, plan.variant);
}

// A size is that of the whole file: names, shapes and places take more or less room as formats change.
inline void solve_plan_of_size(allocation_plan& plan, const model& m, std::uint64_t size)
{
    std::uint64_t around = 0, smallest = std::numeric_limits<std::uint64_t>::max();
    constexpr int most_rounds = 64;
    for (int round = 0; round < most_rounds; ++round) {
        const std::uint64_t budget = size > around ? size - around : 0;
        if (round > 0 && budget < plan.kept_bytes + plan.solution.least_costs.front())
            break;
        solve_plan(plan, budget);
        plan.file_bytes = file_bytes_of(plan, m);
        if (plan.file_bytes <= size)
            return;
        smallest = std::min(smallest, plan.file_bytes);
        around += plan.file_bytes - size;
    }
    require(false, "{}: no plan was found whose file has {} bytes or less, header included, and the smallest one has {}; ask for that much, or allow smaller "
            "candidates or more tensors", plan_caller, size, smallest);
}

// Makes the plan of the budgets that were asked for.
inline void solve_asked_plan(allocation_plan& plan, const model& m)
{
    plan.variant = plan.study.variants.size();
    if (plan.settings.size)
        return solve_plan_of_size(plan, m, *plan.settings.size);
    const auto parameters = static_cast<double>(plan.study.model.parameters);
    solve_plan(plan, plan.settings.bits_per_weight ? static_cast<std::uint64_t>(*plan.settings.bits_per_weight * parameters / 8) : largest_plan(plan));
    plan.file_bytes = file_bytes_of(plan, m);
}

// The bytes of what no plan changes.
inline std::uint64_t bytes_of_kept_layers(const quantization_study_result& study)
{
    std::uint64_t bytes = 0;
    for (const study_layer& layer : study.layers)
        bytes += layer.figures.empty() ? bytes_of_pick(layer, {}) : 0;
    return bytes;
}

}  // namespace weightscope::detail
