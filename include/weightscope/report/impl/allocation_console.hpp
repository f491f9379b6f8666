#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/model_quality_console.hpp>
#include <weightscope/report/quantization_study_tables.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

// "+0.0123 ± 0.0004".
inline std::string loss_change_text(const model_quality& quality)
{
    return short_figure(quality.loss_change, "{:+.3g}") + (quality.loss_change_error.exists() ? fmt::format(" ± {:.2g}", quality.loss_change_error.value) : "");
}

inline std::string plan_quality_text(const model_quality& quality, const study_evaluation& evaluation)
{
    return fmt::format("Run on {}, its loss changes by {} to {} (perplexity {})", counted(evaluation.batches, "batch", "batches"), loss_change_text(quality),
                       short_figure(quality.loss, "{:.4f}"), short_figure(quality.perplexity, "{:.4g}"));
}

WEIGHTSCOPE_INLINE std::string plan_verdict_text(const allocation_plan& plan, const console_style& style, std::size_t width)
{
    const variant_result& variant = plan.study.variants[plan.variant];
    std::string text;
    append_wrapped(text,
                   fmt::format("{}: {} ({:.4g} bits per weight{}), {} {:.4g}{}, relative error of the weights {}", harmless(plan.study.model.path), short_bytes(variant.bytes),
                               plan.bits_per_weight,
                               plan.file_bytes > 0 ? fmt::format(", {} bytes as a packed file", grouped(static_cast<std::size_t>(plan.file_bytes))) : "",
                               allocation_loss_words(plan.settings.loss), plan.solution.loss,
                               plan_has_errors(plan) ? fmt::format(" ± {:.2g}", plan_standard_error(plan)) : "", percent(variant.error.relative_error)),
                   width, 0, [&](std::string_view line) { return style.bold(line); });
    append_wrapped(text,
                   plan.solution.proven ? fmt::format("No other choice within {} loses less: gap 0, {} states", plan_budget_words(plan),
                                                      grouped(plan.solution.state_count))
                                        : fmt::format("The search was cut short after {} states: the optimum loses between {:.6g} and {:.6g}",
                                                      grouped(plan.solution.state_count), plan.solution.lower_bound, plan.solution.loss),
                   width, 0, plain);
    for (const plan_budget& budget : plan.budgets)
        if (budget.name != "bytes")
            append_wrapped(text, fmt::format("{}: {:.6g} of {:.6g}, no plan takes less than {:.6g}", budget.name, budget.used, budget.limit, budget.least), width, 0,
                           plain);
    // the rules next to it in size, above and below
    const auto told = [&](const plan_rule& rule) {
        const std::string than = rule.lost_by_rule.exists() ? fmt::format("loses {:.1f} % more than a plan of the same bytes", 100 * rule.lost_by_rule.value)
                                                            : rule.lost_by_rule.reason;
        append_wrapped(text, fmt::format("{} ({}): {}", rule.name, short_bytes(rule.bytes), than), width, 0, plain);
    };
    const plan_rule *above = nullptr, *below = nullptr;
    for (const plan_rule& rule : plan.rules) {
        if (rule.bytes >= variant.bytes)
            above = &rule;
        else if (below == nullptr)
            below = &rule;
    }
    for (const plan_rule* rule : {above, below})
        if (rule != nullptr)
            told(*rule);
    if (variant.quality)
        append_wrapped(text, plan_quality_text(*variant.quality, *plan.study.evaluation), width, 0, plain);
    if (plan_has_errors(plan))
        append_wrapped(text, fmt::format("{} would change if one loss moved by its standard error", counted(plan_flip_count(plan), "decision", "decisions")),
                       width, 0, plain);
    for (const std::string& note : plan.notes)
        append_wrapped(text, "Note: " + harmless(note), width, 0, plain);
    return text;
}

// What a variant does to the loss of the model.
inline std::string measured_change(const allocation_plan& plan, const std::optional<std::size_t>& variant)
{
    return variant && plan.study.variants[*variant].quality ? loss_change_text(*plan.study.variants[*variant].quality) : "-";
}

WEIGHTSCOPE_INLINE text_table plan_measured_table(const allocation_plan& plan)
{
    text_table table{.headings = {"rule of thumb, run", "size", "loss changes by", "plan of that size", "rel. error", "of that plan"}};
    for (const plan_rule& rule : plan.rules)
        if (plan.study.variants[rule.variant].quality)
            table.rows.push_back({harmless(rule.name), short_bytes(rule.bytes), measured_change(plan, rule.variant), measured_change(plan, rule.optimum_variant),
                                  percent(plan.study.variants[rule.variant].error.relative_error),
                                  rule.optimum_variant ? percent(plan.study.variants[*rule.optimum_variant].error.relative_error) : "-"});
    return table;
}

WEIGHTSCOPE_INLINE text_table plan_rules_table(const allocation_plan& plan)
{
    text_table table{.headings = {"rule of thumb", "size", "loss", "plan of that size", "rule loses more", "rel. error"}};
    for (const plan_rule& rule : plan.rules)
        table.rows.push_back({harmless(rule.name), short_bytes(rule.bytes), fmt::format("{:.4g}", rule.loss), short_figure(rule.optimum_loss, "{:.4g}"),
                              rule.lost_by_rule.exists() ? fmt::format("{:+.1f} %", 100 * rule.lost_by_rule.value) : rule.lost_by_rule.reason,
                              percent(plan.study.variants[rule.variant].error.relative_error)});
    return table;
}

inline std::string plan_step_text(const allocation_plan& plan, const plan_item& item, const std::optional<std::size_t>& option)
{
    if (!option)
        return "none";
    const plan_option &to = item.options[*option], &from = chosen_option(item);
    const std::uint64_t bytes = to.bytes > from.bytes ? to.bytes - from.bytes : from.bytes - to.bytes;
    return fmt::format("{} {}{} {:+.2g}", plan_format_name(plan, to.scheme), to.bytes > from.bytes ? "+" : "-", short_bytes(bytes), to.loss - from.loss);
}

WEIGHTSCOPE_INLINE text_table plan_layers_table(const allocation_plan& plan)
{
    const bool uncertain = plan_has_errors(plan);
    text_table table{.headings = {"layer", "format", "bits", "loss", "of all", "next better", "next worse", uncertain ? "one error away" : "margin"}};
    if (uncertain)
        table.headings.insert(table.headings.begin() + 4, "± error");
    for (const plan_item& item : plan.items) {
        const plan_option& option = chosen_option(item);
        std::string name = harmless(plan.study.layers[item.layers.front()].name);
        if (item.layers.size() > 1)
            name += fmt::format(" and {} more", item.layers.size() - 1);
        const std::string margin = std::isinf(item.margin.margin) ? "fixed"
                                   : uncertain                    ? (item.margin.flips ? plan_format_name(plan, item.options[item.margin.rival].scheme) : "firm")
                                                                  : fmt::format("{}{:.2g}", item.margin.exact ? "" : ">= ", item.margin.margin);
        table.rows.push_back({name, plan_format_name(plan, option.scheme), fmt::format("{:.3g}", option.bits_per_weight), fmt::format("{:.3g}", option.loss),
                              plan.solution.loss > 0 ? fmt::format("{:.1f} %", 100 * option.loss / plan.solution.loss) : "0 %",
                              plan_step_text(plan, item, next_better(item)), plan_step_text(plan, item, next_worse(item)), margin});
        if (uncertain)
            table.rows.back().insert(table.rows.back().begin() + 4, option.standard_error > 0 ? fmt::format("{:.2g}", option.standard_error) : "-");
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table plan_formats_table(const allocation_plan& plan)
{
    text_table table{.headings = {"format", "layers", "weights", "bytes", "loss"}};
    std::vector<std::size_t> schemes;
    for (const plan_item& item : plan.items)
        if (std::find(schemes.begin(), schemes.end(), chosen_option(item).scheme) == schemes.end())
            schemes.push_back(chosen_option(item).scheme);
    std::sort(schemes.begin(), schemes.end());
    for (const std::size_t s : schemes) {
        std::size_t layers = 0, parameters = 0, bytes = 0;
        double loss = 0;
        for (const plan_item& item : plan.items) {
            if (chosen_option(item).scheme != s)
                continue;
            layers += item.layers.size();
            parameters += item.parameters;
            bytes += static_cast<std::size_t>(chosen_option(item).bytes);
            loss += chosen_option(item).loss;
        }
        table.rows.push_back({plan_format_name(plan, s), grouped(layers), grouped(parameters), grouped(bytes), fmt::format("{:.4g}", loss)});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table plan_front_table(const allocation_plan& plan)
{
    text_table table{.headings = {"front: bits per weight", "size", "loss"}};
    const std::size_t most = 40, step = plan.front.size() / most + 1;
    for (std::size_t i = 0; i < plan.front.size(); i += i + step < plan.front.size() || i + 1 == plan.front.size() ? step : plan.front.size() - 1 - i)
        table.rows.push_back({fmt::format("{:.4g}", plan.front[i].bits_per_weight), short_bytes(plan.front[i].bytes), fmt::format("{:.4g}", plan.front[i].loss)});
    return table;
}

WEIGHTSCOPE_INLINE text_table plan_low_rank_table(const allocation_plan& plan)
{
    text_table table{.headings = {"two factors", "rank for 90 %", "95 %", "99 %", "break-even", "saved at 99 %", "least error", "stable rank", "classic LoRA"}};
    for (std::size_t i = 0; i < plan.low_rank.size(); ++i) {
        if (!plan.low_rank[i] || plan.low_rank[i]->factors.size() < 3)
            continue;
        const low_rank_result& of = *plan.low_rank[i];
        const double saved = of.factors[2].saved_fraction * static_cast<double>(plan.study.layers[i].bytes);
        table.rows.push_back({harmless(plan.study.layers[i].name), grouped(of.factors[0].rank), grouped(of.factors[1].rank), grouped(of.factors[2].rank),
                              fmt::format("{:.1f}", of.break_even_rank), saved > 0 ? short_bytes(static_cast<std::uint64_t>(saved)) : "none",
                              percent(of.least_error), short_figure(of.stable_rank, "{:.1f}"), short_figure(of.classic_lora_rank, "{:.0f}")});
    }
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const allocation_plan& plan, const plan_console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(plan, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::string text = detail::plan_verdict_text(plan, style, options.width);
    detail::append_table(text, detail::fitting(detail::plan_rules_table(plan), options.width, 5), style, options.width);
    detail::append_table(text, detail::fitting(detail::plan_measured_table(plan), options.width, 5), style, options.width);
    detail::append_table(text, detail::plan_formats_table(plan), style, options.width);
    if (plan.items.size() <= options.most_layers)
        detail::append_table(text, detail::fitting(detail::plan_layers_table(plan), options.width, 5), style, options.width);
    if (options.front)
        detail::append_table(text, detail::plan_front_table(plan), style, options.width);
    detail::append_table(text, detail::fitting(detail::plan_low_rank_table(plan), options.width, 5), style, options.width);
    return text;
}

}  // namespace weightscope
