#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_budgets.hpp>
#include <weightscope/study/allocation_items.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

// Where a layer stands in a transformer, as its name tells.
struct plan_role
{
    enum class kind
    {
        other,
        value,   // attn_v, or q, k and v in one
        down,    // ffn_down
        output,
    } is = kind::other;
    std::optional<std::size_t> block = {};
};

inline plan_role plan_role_of(const std::string& name)
{
    for (const char* family : {"llama", "gpt2"}) {
        const std::string gguf = gguf_name(name, family);
        if (gguf == "output.weight")
            return {.is = plan_role::kind::output};
        if (!gguf.starts_with("blk."))
            continue;
        const std::size_t dot = gguf.find('.', 4);
        if (dot == gguf.npos || dot == 4 || dot > 12 || gguf.find_first_not_of("0123456789", 4) != dot)
            continue;
        const std::string_view rest = std::string_view(gguf).substr(dot + 1);
        return {.is = rest.starts_with("attn_v.") || rest.starts_with("attn_qkv.") ? plan_role::kind::value
                      : rest.starts_with("ffn_down")                                ? plan_role::kind::down
                                                                                    : plan_role::kind::other,
                .block = std::stoul(gguf.substr(4, dot - 4))};
    }
    return {};
}

// The first and the last eighth of the blocks, and every third of those between.
inline bool has_more_bits(std::size_t block, std::size_t blocks)
{
    const std::size_t eighth = blocks / 8;
    return block < eighth || block >= 7 * blocks / 8 || (block - eighth) % 3 == 2;
}

// What llama-quantize does in its mixtures: most layers in `usual`, attn_v and ffn_down of some blocks and the output in `better`. No
// variant where the names do not tell the blocks.
inline std::optional<variant_result> mixture_rule(const quantization_study_result& study, std::string name, std::size_t usual, std::size_t better)
{
    std::vector<plan_role> roles;
    std::size_t blocks = 0;
    for (const study_layer& layer : study.layers) {
        roles.push_back(plan_role_of(layer.name));
        blocks = roles.back().block ? std::max(blocks, *roles.back().block + 1) : blocks;
    }
    if (blocks == 0)
        return std::nullopt;
    return make_variant(study, std::move(name), false, [&](const study_layer&, std::size_t i) {
        const plan_role& role = roles[i];
        const bool sensitive = role.is == plan_role::kind::value || role.is == plan_role::kind::down;
        const bool more = role.is == plan_role::kind::output || (sensitive && role.block && has_more_bits(*role.block, blocks));
        return layer_pick{.scheme = more ? better : usual, .reason = more ? "more bits by its place" : ""};
    });
}

// INT8 per tensor below 0.1 % extreme outliers and above 40 dB, INT16 below 1 % and above 30 dB, else as stored.
inline variant_result risk_rule(const quantization_study_result& study, const std::vector<located_layer>& located, std::size_t int8, std::size_t int16)
{
    std::vector<quantization_sensitivity_result> figures(located.size());
    parallel_for(located.size(), [&](std::size_t i) {
        if (study.layers[i].figures.empty() || located[i].alike != i)
            return;
        visit(located[i].tensor, [&](const auto& view) {
            with_source(view, [&](const weight_source& source) {
                figures[i] = quantization_sensitivity_of(survey_source(source, quantization_questions({})), {}, {});
            });
        });
    });
    const auto within = [](const quantization_sensitivity_result& f, double outliers, double db) {
        return f.extreme_outlier_percentage.exists() && f.extreme_outlier_percentage.value < outliers
               && (f.sqnr_db.exists() ? f.sqnr_db.value > db : f.sqnr_db.reason == "exact");
    };
    return make_variant(study, "outliers and SQNR", false, [&](const study_layer&, std::size_t i) {
        const quantization_sensitivity_result& f = figures[located[i].alike];
        if (within(f, 0.1, 40))
            return layer_pick{.scheme = int8, .reason = "extreme outliers < 0.1 % and SQNR > 40 dB"};
        if (within(f, 1, 30))
            return layer_pick{.scheme = int16, .reason = "extreme outliers < 1 % and SQNR > 30 dB"};
        return layer_pick{.reason = "more outliers or less SQNR"};
    });
}

// The loss of a whole variant; nothing where that of a layer is not known.
inline std::optional<double> loss_of_variant(const variant_result& variant, const std::vector<layer_losses>& losses)
{
    double sum = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) {
        if (losses[i].empty() || variant.picks[i].scheme == kept_as_stored)
            continue;
        if (!losses[i][variant.picks[i].scheme])
            return std::nullopt;
        sum += losses[i][variant.picks[i].scheme]->value;
    }
    return sum;
}

// What a rule leaves to the optimum: as many bytes as it takes itself, and of the other budgets as much as it takes. Nothing where that is
// not known.
inline std::optional<plan_limits> limits_of_rule(const allocation_plan& plan, const variant_result& rule, const plan_latencies& latencies)
{
    plan_limits limits{.bytes = rule.bytes > plan.kept_bytes ? rule.bytes - plan.kept_bytes : 0};
    if (plan.settings.bit_operations)
        limits.bit_operations = 0;
    if (plan.settings.latency)
        limits.latency = 0;
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        if (layer.figures.empty())
            continue;
        if (limits.bit_operations)
            *limits.bit_operations += plan_bit_operations(layer, plan.study.schemes, rule.picks[i].scheme, plan.settings.activation_bits);
        if (!limits.latency)
            continue;
        const std::optional<double> latency = plan_latency(layer, plan.study.schemes, rule.picks[i].scheme, latencies);
        if (!latency)
            return std::nullopt;
        *limits.latency += *latency;
    }
    return limits;
}

inline void add_rule(allocation_plan& plan, std::size_t variant, std::string meaning, const std::vector<layer_losses>& losses, const plan_latencies& latencies)
{
    const variant_result& of = plan.study.variants[variant];
    const std::optional<double> loss = loss_of_variant(of, losses);
    if (!loss)
        return;
    plan_rule rule{.name = of.name, .meaning = std::move(meaning), .variant = variant, .bytes = of.bytes, .loss = *loss};
    const std::optional<plan_limits> limits = limits_of_rule(plan, of, latencies);
    const allocation_result optimum = limits ? allocate_choices(problem_of(plan.items, *limits), plan.settings.search) : allocation_result{};
    if (optimum.feasible) {
        rule.optimum_variant = plan.study.variants.size();
        plan.study.variants.push_back(variant_of_choices(plan, optimum.choices, fmt::format("plan in the bytes of {}", rule.name)));
    }
    rule.optimum_loss = optimum.feasible ? metric(optimum.loss)
                        : limits         ? metric::missing("the candidates do not fit into its bytes")
                                         : metric::missing("its latency is not known");
    rule.lost_by_rule = !optimum.feasible   ? metric::missing(rule.optimum_loss.reason)
                        : optimum.loss > 0 ? metric(rule.loss / optimum.loss - 1)
                                           : metric::missing("the optimum loses nothing");
    plan.rules.push_back(std::move(rule));
}

inline void add_rules(allocation_plan& plan, const std::vector<located_layer>& located, const std::vector<layer_losses>& losses, const plan_latencies& latencies)
{
    quantization_study_result& study = plan.study;
    std::vector<std::size_t> uniform;  // variants of one candidate each
    for (const std::string& name : plan.settings.candidates)
        if (name != "keep")
            uniform.push_back(candidate_scheme(study.schemes, name));  // variant and scheme have the same index
    for (const std::size_t v : uniform)
        add_rule(plan, v, "every layer in this format", losses, latencies);
    std::stable_sort(uniform.begin(), uniform.end(), [&](std::size_t a, std::size_t b) { return study.variants[a].bytes < study.variants[b].bytes; });
    for (std::size_t k = 1; k < uniform.size(); ++k) {
        const std::string usual = study.variants[uniform[k - 1]].name, better = study.variants[uniform[k]].name;
        std::optional<variant_result> mixture = mixture_rule(study, fmt::format("{} with {}", usual, better), uniform[k - 1], uniform[k]);
        if (!mixture)
            break;
        study.variants.push_back(std::move(*mixture));
        add_rule(plan, study.variants.size() - 1,
                 fmt::format("{} for the output, and for values and ffn_down in the first and last eighth and every third block between", better), losses,
                 latencies);
    }
    study.variants.push_back(risk_rule(study, located, candidate_scheme(study.schemes, "int8-per-tensor-sym"),
                                       candidate_scheme(study.schemes, "int16-per-tensor-sym")));
    add_rule(plan, study.variants.size() - 1, "INT8 below 0.1 % extreme outliers and above 40 dB, INT16 below 1 % and above 30 dB, else as stored", losses,
             latencies);
    std::stable_sort(plan.rules.begin(), plan.rules.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

}  // namespace weightscope::detail
