#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_document.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

inline text_table scan_rules_table(const health_result& health)
{
    text_table table{.headings = {"rule", "looks at", "info", "warning", "critical", "judged", "no figure", "findings"}};
    for (const rule_outcome& outcome : health.rules) {
        const rule& r = outcome.judged_by;
        const auto limit = [&](severity level) {
            const std::optional<double>& at = r.limit(level);
            return at ? fmt::format("{} {}{}", to_string(r.compare), figure(*at), r.times_baseline ? " x Gaussian" : "") : "";
        };
        table.rows.push_back({r.id, r.label.empty() ? r.metric_name : r.label, limit(severity::info), limit(severity::warning), limit(severity::critical),
                              fmt::format("{}", outcome.judged_count), fmt::format("{}", outcome.missing_count), fmt::format("{}", outcome.finding_count)});
    }
    return table;
}

inline text_table planned_formats_table(const quantization_plan& plan)
{
    text_table table{.headings = {"layer", "format", "because"}};
    for (const planned_layer& layer : plan.layers)
        table.rows.push_back({layer.name, layer.format, layer.reason});
    return table;
}

inline text_table planned_ranks_table(const compression_plan& plan)
{
    text_table table{.headings = {"layer", "rank", "parameters", "after", "because"}};
    for (const compressed_layer& layer : plan.layers)
        table.rows.push_back({layer.name, fmt::format("{}", layer.rank), fmt::format("{}", layer.parameters), fmt::format("{}", layer.factor_parameters), layer.reason});
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE report_document to_document(const scan_result& scan, const health_result& health,
                                               const std::optional<baseline_comparison>& baseline)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    require(!baseline || baseline->states.size() == health.findings.size(),
            "to_document(scan, health, baseline): the baseline tells of {} findings, the verdict has {}", baseline ? baseline->states.size() : 0,
            health.findings.size());
    report_document document{.subject = scan.model.path,
                             .verdict = fmt::format("Health {}/100, {}: {}", health.score, to_string(health.grade), health.recommendation),
                             .worst = detail::worst_of(health.findings),
                             .findings = health.findings,
                             .judged = true};
    if (baseline) {
        detail::text_table states{.headings = {"layer", "rule", "severity", "state"}};
        for (std::size_t i = 0; i < health.findings.size(); ++i)
            states.rows.push_back({health.findings[i].layer, health.findings[i].rule_id, std::string(to_string(health.findings[i].level)),
                                   std::string(to_string(baseline->states[i]))});
        for (const finding& f : baseline->resolved)
            states.rows.push_back({f.layer, f.rule_id, std::string(to_string(f.level)), "resolved"});
        detail::add_table(document, "Beside the baseline", std::move(states));
    }
    detail::add_table(document, "Condition numbers", detail::condition_table(scan, all));
    detail::add_table(document, "Quantization", detail::quantization_table(scan, all));
    detail::add_table(document, "Sparsity", detail::sparsity_table(scan, all));
    detail::add_table(document, "Heavy tails", detail::heavy_tail_table(scan, all));
    detail::add_table(document, "Formats to quantize to", detail::planned_formats_table(recommend_quantization(scan)));
    detail::add_table(document, "Ranks of two factors", detail::planned_ranks_table(recommend_compression(scan)));
    detail::add_table(document, "Rules", detail::scan_rules_table(health));
    return document;
}

}  // namespace weightscope
