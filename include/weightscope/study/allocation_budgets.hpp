#pragma once
// What items take of each budget of a plan, in whole numbers.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

// What planned items may take in all.
struct plan_limits
{
    std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
    std::optional<std::uint64_t> bit_operations = {};
    std::optional<double> latency = {};
};

// A multiplication of a weight of b bits by an activation of a bits takes a · b bit operations, and a token meets every weight once: of
// convolutions at one place of the image, of tables that are looked up never.
inline std::uint64_t plan_bit_operations(const study_layer& layer, const std::vector<scheme>& schemes, std::size_t s, int activation_bits)
{
    if (layer.shape.size() < 2 || layer.parameters == 0 || is_embedding_table({.name = layer.name, .shape = layer.shape}))
        return 0;
    const std::uint64_t bits = s == kept_as_stored ? (8 * layer.bytes + layer.parameters / 2) / layer.parameters : static_cast<std::uint64_t>(schemes[s].bits);
    return layer.parameters * bits * static_cast<std::uint64_t>(activation_bits);
}

using plan_latencies = std::map<std::pair<std::string, std::string>, double>;

inline std::optional<double> plan_latency(const study_layer& layer, const std::vector<scheme>& schemes, std::size_t s, const plan_latencies& latencies)
{
    const auto found = latencies.find({layer.name, s == kept_as_stored ? "keep" : to_string(schemes[s])});
    return found == latencies.end() ? std::nullopt : std::optional(found->second);
}

// Of latencies the limit has 2^40 parts, and what is beyond it twice as many.
inline constexpr double plan_latency_parts = 0x1p40;

inline std::uint64_t plan_latency_units(double latency, double limit)
{
    const double share = limit > 0 ? latency / limit : latency > 0 ? 2 : 0;
    return static_cast<std::uint64_t>(std::nearbyint(std::min(share, 2.0) * plan_latency_parts));
}

inline allocation_problem problem_of(const std::vector<plan_item>& items, const plan_limits& limits)
{
    allocation_problem problem{.budgets = {limits.bytes}};
    if (limits.bit_operations)
        problem.budgets.push_back(*limits.bit_operations);
    if (limits.latency)  // each item is rounded by half a part at most
        problem.budgets.push_back(static_cast<std::uint64_t>(plan_latency_parts) + items.size() / 2 + 1);
    for (const plan_item& item : items) {
        allocation_item& one = problem.items.emplace_back();
        for (const plan_option& option : item.options) {
            allocation_choice& choice = one.choices.emplace_back(allocation_choice{.loss = option.loss, .costs = {option.bytes}});
            if (limits.bit_operations)
                choice.costs.push_back(option.bit_operations);
            if (limits.latency)
                choice.costs.push_back(plan_latency_units(option.latency, *limits.latency));
        }
    }
    return problem;
}

// The bit operations of layers that no plan quantizes.
inline std::uint64_t plan_kept_bit_operations(const quantization_study_result& study, int activation_bits)
{
    std::uint64_t sum = 0;
    for (const study_layer& layer : study.layers)
        sum += layer.figures.empty() ? plan_bit_operations(layer, study.schemes, kept_as_stored, activation_bits) : 0;
    return sum;
}

// What is left of the budgets of a plan for its items, where all tensors together may have so many bytes.
inline plan_limits plan_limits_of(const allocation_plan& plan, std::uint64_t bytes)
{
    const allocation_plan_options& asked = plan.settings;
    plan_limits limits{.bytes = bytes > plan.kept_bytes ? bytes - plan.kept_bytes : 0};
    if (asked.bit_operations) {
        const double left = *asked.bit_operations - static_cast<double>(plan_kept_bit_operations(plan.study, asked.activation_bits));
        limits.bit_operations = left > 0 ? static_cast<std::uint64_t>(std::min(left, 0x1p61)) : 0;
    }
    limits.latency = asked.latency;
    return limits;
}

}  // namespace weightscope::detail
