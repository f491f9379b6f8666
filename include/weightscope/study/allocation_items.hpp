#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_budgets.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

inline constexpr const char* plan_caller = "plan_allocation(model, options, sources)";

// Place of a candidate among the schemes of a study.
inline std::size_t candidate_scheme(const std::vector<scheme>& schemes, const std::string& name)
{
    if (name == "keep")
        return kept_as_stored;
    return static_cast<std::size_t>(std::find(schemes.begin(), schemes.end(), canonical(parse_scheme(name))) - schemes.begin());
}

class plan_pattern
{
public:
    plan_pattern(const std::string& pattern, const char* option)
    try : regex_(pattern, std::regex::ECMAScript) {
    } catch (const std::regex_error& error) {
        throw std::invalid_argument(
            fmt::format("weightscope::{}: options.{} has '{}', which is no regular expression: {}", plan_caller, option, pattern, error.what()));
    }

    // What the groups of the expression caught, one after the other; nothing where it does not match a part of the name.
    std::optional<std::string> captures_of(const std::string& name) const
    {
        std::smatch match;
        const std::string front = name.substr(0, 4096);  // std::regex calls itself for every character
        if (!std::regex_search(front, match, regex_))
            return std::nullopt;
        std::string captures;
        for (std::size_t i = 1; i < match.size(); ++i)
            captures += match[i].str() + '\n';
        return captures;
    }
    bool matches(const std::string& name) const { return captures_of(name).has_value(); }

private:
    std::regex regex_;
};

// The first layer of those that have to agree with each layer: equal ones, and those that a pattern ties.
inline std::vector<std::size_t> tied_layers(const quantization_study_result& study, const std::vector<located_layer>& located,
                                            const std::vector<std::string>& ties)
{
    std::vector<std::size_t> leader(study.layers.size());
    for (std::size_t i = 0; i < leader.size(); ++i)
        leader[i] = located[i].alike;
    const auto join = [&](std::size_t a, std::size_t b) {
        const std::size_t low = std::min(leader[a], leader[b]), high = std::max(leader[a], leader[b]);
        std::replace(leader.begin(), leader.end(), high, low);
    };
    for (std::size_t t = 0; t < ties.size(); ++t) {
        const plan_pattern pattern(ties[t], "ties");
        std::map<std::string, std::size_t> first;
        for (std::size_t i = 0; i < leader.size(); ++i)
            if (const auto captures = pattern.captures_of(study.layers[i].name); captures && !study.layers[i].figures.empty())
                join(first.emplace(*captures, i).first->second, i);
        require(!first.empty(), "{}: options.ties has '{}', which matches no layer that can be quantized", plan_caller, ties[t]);
    }
    return leader;
}

// An item in one format; nothing where a loss or a latency is not known.
inline std::optional<plan_option> plan_option_of(const quantization_study_result& study, const std::vector<layer_losses>& losses,
                                                 const plan_item& item, std::size_t s, const allocation_plan_options& options, const plan_latencies& latencies)
{
    plan_option option{.scheme = s};
    double variance = 0;
    for (const std::size_t i : item.layers) {
        option.bytes += bytes_of_pick(study.layers[i], {.scheme = s});
        option.bit_operations += options.bit_operations ? plan_bit_operations(study.layers[i], study.schemes, s, options.activation_bits) : 0;
        if (options.latency) {
            const std::optional<double> latency = plan_latency(study.layers[i], study.schemes, s, latencies);
            if (!latency)
                return std::nullopt;
            option.latency += *latency;
        }
        if (s == kept_as_stored || losses[i].empty())
            continue;
        if (!losses[i][s])
            return std::nullopt;
        option.loss += losses[i][s]->value;
        variance += losses[i][s]->standard_error * losses[i][s]->standard_error;
    }
    option.standard_error = std::sqrt(variance);
    option.bits_per_weight = item.parameters > 0 ? 8 * static_cast<double>(option.bytes) / static_cast<double>(item.parameters) : 0;
    return option;
}

// Keeps the options that the limits of a layer allow, or says why there are none.
inline void apply_plan_limits(plan_item& item, const std::string& layer, const std::vector<allocation_limit>& limits, bool least)
{
    for (const allocation_limit& limit : limits) {
        if (!plan_pattern(limit.pattern, least ? "least_bits" : "most_bits").matches(layer))
            continue;
        std::erase_if(item.options, [&](const plan_option& option) {
            return least ? option.bits_per_weight < limit.bits : option.bits_per_weight > limit.bits;
        });
        require(!item.options.empty(), "{}: no candidate gives {} {} {} bits per weight, which options.{} asks of '{}'", plan_caller,
                printable(layer), least ? "at least" : "at most", limit.bits, least ? "least_bits" : "most_bits", limit.pattern);
    }
}

inline std::vector<plan_option> options_of_item(const quantization_study_result& study, const std::vector<layer_losses>& losses,
                                                const plan_item& item, const allocation_plan_options& options, const plan_latencies& latencies)
{
    std::vector<std::string> names = options.candidates;
    for (const allocation_pin& pin : options.pins) {
        const plan_pattern pattern(pin.pattern, "pins");
        if (std::any_of(item.layers.begin(), item.layers.end(), [&](std::size_t i) { return pattern.matches(study.layers[i].name); })) {
            names = {pin.format};
            break;
        }
    }
    std::vector<plan_option> result;
    for (const std::string& name : names) {
        const std::optional<plan_option> option = plan_option_of(study, losses, item, candidate_scheme(study.schemes, name), options, latencies);
        const bool may_lack = is_table(options.loss) || options.latency;
        require(option.has_value() || may_lack, "{}: the loss of {} is not known", plan_caller, name);
        if (option)
            result.push_back(*option);
    }
    require(!result.empty(), "{}: no {} is given for {} in any of the candidates, expected one for each layer and candidate", plan_caller,
            options.latency ? "latency, or no loss," : "number", printable(study.layers[item.layers.front()].name));
    return result;
}

inline std::vector<plan_item> make_plan_items(const quantization_study_result& study, const std::vector<located_layer>& located,
                                              const std::vector<layer_losses>& losses, const allocation_plan_options& options, const plan_latencies& latencies)
{
    const std::vector<std::size_t> leader = tied_layers(study, located, options.ties);
    std::map<std::size_t, plan_item> by_leader;
    for (std::size_t i = 0; i < leader.size(); ++i) {
        if (study.layers[i].figures.empty())
            continue;
        plan_item& item = by_leader[leader[i]];
        item.layers.push_back(i);
        item.parameters += study.layers[i].tied_to.empty() ? study.layers[i].parameters : 0;
    }
    std::vector<plan_item> items;
    for (auto& [first, item] : by_leader) {
        item.options = options_of_item(study, losses, item, options, latencies);
        std::stable_sort(item.options.begin(), item.options.end(),
                         [](const auto& a, const auto& b) { return std::tie(a.bytes, a.loss) < std::tie(b.bytes, b.loss); });
        for (const std::size_t i : item.layers) {
            apply_plan_limits(item, study.layers[i].name, options.least_bits, true);
            apply_plan_limits(item, study.layers[i].name, options.most_bits, false);
        }
        items.push_back(std::move(item));
    }
    return items;
}

// The variant of a study that gives every item of a plan one of its options.
inline variant_result variant_of_choices(const allocation_plan& plan, const std::vector<std::size_t>& choices, std::string name)
{
    std::vector<std::size_t> scheme_of_layer(plan.study.layers.size(), kept_as_stored);
    for (std::size_t g = 0; g < plan.items.size(); ++g)
        for (const std::size_t i : plan.items[g].layers)
            scheme_of_layer[i] = plan.items[g].options[choices[g]].scheme;
    return make_variant(plan.study, std::move(name), false, [&](const study_layer&, std::size_t i) {
        return layer_pick{.scheme = scheme_of_layer[i], .reason = scheme_of_layer[i] == kept_as_stored ? "by plan" : ""};
    });
}

}  // namespace weightscope::detail
