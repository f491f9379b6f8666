#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan& plan, const plan_item& item)
{
    ordered_json layers = ordered_json::array(), options = ordered_json::array();
    for (const std::size_t i : item.layers)
        layers.push_back(plan.study.layers[i].name);
    for (const plan_option& option : item.options)
        options.push_back({{"format", plan_format_name(plan, option.scheme)},
                           {"bytes", option.bytes},
                           {"bits_per_weight", option.bits_per_weight},
                           {"loss", option.loss},
                           {"standard_error", option.standard_error > 0 ? ordered_json(option.standard_error) : ordered_json(nullptr)}});
    const auto step = [&](const std::optional<std::size_t>& i) {
        return i ? ordered_json(plan_format_name(plan, item.options[*i].scheme)) : ordered_json(nullptr);
    };
    ordered_json object = {{"layers", std::move(layers)},
                           {"parameters", item.parameters},
                           {"format", plan_format_name(plan, chosen_option(item).scheme)},
                           {"bytes", chosen_option(item).bytes},
                           {"bits_per_weight", chosen_option(item).bits_per_weight},
                           {"loss", chosen_option(item).loss},
                           {"next_better", step(next_better(item))},
                           {"next_worse", step(next_worse(item))}};
    append_metric(object, "margin", std::isinf(item.margin.margin) ? metric::missing("no other format fits") : metric(item.margin.margin), false);
    append_member(object, "margin_exact", item.margin.exact);
    append_member(object, "rival", plan_format_name(plan, item.options[item.margin.rival].scheme));
    append_member(object, "flips", item.margin.flips);
    append_member(object, "options", std::move(options));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan& plan, const plan_rule& rule)
{
    ordered_json object = {{"name", rule.name}, {"meaning", rule.meaning}, {"bytes", rule.bytes}, {"loss", rule.loss}};
    append_metric(object, "optimum_loss", rule.optimum_loss, false);
    append_metric(object, "lost_by_rule", rule.lost_by_rule, false);
    append_metric(object, "relative_error", plan.study.variants[rule.variant].error.relative_error, false);
    if (const auto& quality = plan.study.variants[rule.variant].quality)
        append_member(object, "quality", json_of(*quality));
    if (rule.optimum_variant && plan.study.variants[*rule.optimum_variant].quality)
        append_member(object, "optimum_quality", json_of(*plan.study.variants[*rule.optimum_variant].quality));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const low_rank_result& result)
{
    ordered_json factors = ordered_json::array();
    for (const low_rank_factors& f : result.factors)
        factors.push_back({{"energy", f.energy}, {"rank", f.rank}, {"relative_error", f.relative_error}, {"parameters", f.parameters}, {"saved_fraction", f.saved_fraction}});
    ordered_json object = {{"rows", result.rows}, {"cols", result.cols}, {"break_even_rank", result.break_even_rank}, {"factors", std::move(factors)},
                           {"largest_rank", result.largest_rank}};
    append_metric(object, "least_error", result.least_error, false);
    append_metric(object, "stable_rank", result.stable_rank, false);
    append_metric(object, "classic_lora_rank", result.classic_lora_rank, true);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan_options& options)
{
    ordered_json pins = ordered_json::array();
    for (const allocation_pin& pin : options.pins)
        pins.push_back({{"pattern", pin.pattern}, {"format", pin.format}});
    const auto limits = [](const std::vector<allocation_limit>& of) {
        ordered_json list = ordered_json::array();
        for (const allocation_limit& limit : of)
            list.push_back({{"pattern", limit.pattern}, {"bits", limit.bits}});
        return list;
    };
    return {{"bits_per_weight", options.bits_per_weight ? ordered_json(*options.bits_per_weight) : ordered_json(nullptr)},
            {"size", options.size ? ordered_json(*options.size) : ordered_json(nullptr)},
            {"candidates", options.candidates},
            {"loss", to_string(options.loss)},
            {"ties", options.ties},
            {"pins", std::move(pins)},
            {"least_bits", limits(options.least_bits)},
            {"most_bits", limits(options.most_bits)},
            {"rules", options.rules},
            {"low_rank", options.low_rank},
            {"embeddings", options.embeddings},
            {"vectors", options.vectors},
            {"include", options.include},
            {"exclude", options.exclude},
            {"restrict", options.restrict_to},
            {"threads", options.threads},
            {"orientation", name_of(options.orientation)},
            {"bit_operations", options.bit_operations ? ordered_json(*options.bit_operations) : ordered_json(nullptr)},
            {"activation_bits", options.activation_bits},
            {"latency", options.latency ? ordered_json(*options.latency) : ordered_json(nullptr)}};
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const allocation_plan& plan)
{
    using nlohmann::ordered_json;
    const variant_result& variant = plan.study.variants[plan.variant];
    ordered_json formats = ordered_json::object(), items = ordered_json::array(), rules = ordered_json::array(), front = ordered_json::array();
    detail::unique_names unique;
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i)
        detail::append_member(formats, unique(plan.study.layers[i].name),
                              {{"format", detail::plan_format_name(plan, variant.picks[i].scheme)},
                               {"bytes", detail::bytes_of_pick(plan.study.layers[i], variant.picks[i])},
                               {"reason", variant.picks[i].reason}});
    for (const plan_item& item : plan.items)
        items.push_back(detail::json_of(plan, item));
    for (const plan_rule& rule : plan.rules)
        rules.push_back(detail::json_of(plan, rule));
    for (const plan_point& point : plan.front)
        front.push_back({{"bytes", point.bytes}, {"bits_per_weight", point.bits_per_weight}, {"loss", point.loss}});

    ordered_json document = ordered_json::object();
    const auto add = [&](const char* name, ordered_json value) { detail::append_member(document, name, std::move(value)); };
    add("schema", "weightscope/allocate/1");
    add("version", version);
    add("model", detail::json_of(plan.study.model));
    add("settings", detail::json_of(plan.settings));
    add("environment", detail::json_of(plan.study.environment));
    add("seconds", detail::json_number(plan.study.seconds));
    add("loss_source", plan.loss_source);
    add("notes", plan.notes);
    ordered_json budgets = ordered_json::array();
    for (const plan_budget& budget : plan.budgets)
        budgets.push_back({{"name", budget.name}, {"limit", budget.limit}, {"used", budget.used}, {"least", budget.least}, {"price", budget.price}});
    add("budgets", std::move(budgets));
    add("budget_bytes", plan.settings.bits_per_weight || plan.settings.size ? ordered_json(plan.budget) : ordered_json(nullptr));
    add("bytes", variant.bytes);
    add("bits_per_weight", plan.bits_per_weight);
    add("file_bytes", plan.file_bytes > 0 ? ordered_json(plan.file_bytes) : ordered_json(nullptr));
    add("kept_bytes", plan.kept_bytes);
    add("loss", detail::json_number(plan.solution.loss));
    add("standard_error", detail::plan_has_errors(plan) ? ordered_json(detail::plan_standard_error(plan)) : ordered_json(nullptr));
    detail::append_metric(document, "relative_error", variant.error.relative_error, false);
    if (variant.quality) {
        add("quality", detail::json_of(*variant.quality));
        add("evaluation", detail::json_of(*plan.study.evaluation));
    }
    add("lower_bound", detail::json_number(plan.solution.lower_bound));
    add("gap", detail::json_number(plan.solution.gap));
    add("proven", plan.solution.proven);
    add("states", plan.solution.state_count);
    add("price_per_byte", plan.solution.prices.empty() ? 0.0 : plan.solution.prices.front());
    add("formats", std::move(formats));
    add("items", std::move(items));
    add("rules", std::move(rules));
    add("front", std::move(front));
    if (plan.settings.low_rank) {
        ordered_json low_rank = ordered_json::object();
        detail::unique_names unique_low_rank;
        for (std::size_t i = 0; i < plan.low_rank.size(); ++i)
            if (plan.low_rank[i])
                detail::append_member(low_rank, unique_low_rank(plan.study.layers[i].name), detail::json_of(*plan.low_rank[i]));
        add("low_rank", std::move(low_rank));
    }
    return document;
}

}  // namespace weightscope
