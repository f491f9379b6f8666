#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/markdown_text.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/series_report.hpp>
#include <weightscope/report/series_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string markdown_findings(const std::vector<finding>& findings, std::size_t limit, const baseline_comparison* baseline)
{
    if (findings.empty() || limit == 0)
        return {};
    std::string text = fmt::format("\n| | layer | rule | what was found | what to do |{}\n|---|---|---|---|---|{}\n", baseline ? " beside the baseline |" : "",
                                   baseline ? "---|" : "");
    for (std::size_t i = 0; i < std::min(limit, findings.size()); ++i) {
        const finding& f = findings[i];
        text += fmt::format("| {} | {} | {} | {} | {} |{}\n", to_string(f.level), f.layer.empty() ? "the model" : markdown_code(f.layer),
                            markdown_code(f.rule_id), markdown_text(f.meaning.empty() ? f.message : f.message + "; " + f.meaning), markdown_text(f.remedy),
                            baseline ? fmt::format(" {} |", to_string(baseline->states[i])) : "");
    }
    if (findings.size() > limit)
        text += fmt::format("\nand {} more\n", findings.size() - limit);
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_markdown(const scan_result& scan, const health_result& health, const markdown_options& options)
{
    const baseline_comparison* baseline = options.baseline ? &*options.baseline : nullptr;
    require(!baseline || baseline->states.size() == health.findings.size(),
            "to_markdown(scan, health, options): the baseline tells of {} findings, the verdict has {}", baseline ? baseline->states.size() : 0,
            health.findings.size());
    std::string text = fmt::format("## Health {}/100, {}: {}\n\n{}, {}, {} in {} of {}{}\n", health.score, to_string(health.grade),
                                   detail::markdown_text(health.recommendation),
                                   detail::counted(health.count(severity::critical), "critical finding", "critical findings"),
                                   detail::counted(health.count(severity::warning), "warning", "warnings"),
                                   detail::counted(health.count(severity::info), "note", "notes"), detail::counted(scan.layers.size(), "tensor", "tensors"),
                                   scan.model.path.empty() ? "a model" : detail::markdown_code(scan.model.path),
                                   health.limited_by.empty() ? "" : "; the score is held down by " + detail::markdown_code(health.limited_by));
    if (baseline) {
        text += fmt::format("\nAgainst {}: {} new, {} worse, {} known, {} resolved\n", detail::markdown_code(baseline->path),
                            baseline->count(finding_state::added), baseline->count(finding_state::worse),
                            baseline->count(finding_state::known) + baseline->count(finding_state::milder), baseline->resolved.size());
        for (const finding& f : baseline->resolved)
            text += fmt::format("- resolved: {} {}\n", f.layer.empty() ? "the model" : detail::markdown_code(f.layer), detail::markdown_code(f.rule_id));
    }
    text += detail::markdown_findings(health.findings, options.top_issues, baseline);
    for (const detail::text_table& table :
         {detail::condition_table(scan, options.top_issues), detail::quantization_table(scan, options.top_issues),
          detail::sparsity_table(scan, options.top_issues),
          options.heavy_tails ? detail::heavy_tail_table(scan, options.top_issues) : detail::text_table()})
        text += detail::markdown_table(table);
    return text;
}

WEIGHTSCOPE_INLINE std::string to_markdown(const comparison_result& r, const markdown_options& options)
{
    std::string text = fmt::format("## {}\n\n- A: {}\n- B: {}\n", to_string(r.relation), detail::markdown_code(r.a.path), detail::markdown_code(r.b.path));
    for (const std::string& sentence : r.evidence)
        text += "- " + detail::markdown_text(sentence) + "\n";
    text += detail::markdown_findings(r.findings, options.top_issues, nullptr);
    text += detail::markdown_table(detail::changed_table(r, options.top_issues));
    const auto tell = [&](const std::vector<unmatched_tensor>& tensors, const char* side) {
        detail::text_table table{.headings = {fmt::format("only in {}", side), "parameters"}};
        for (std::size_t i = 0; i < std::min(tensors.size(), options.top_issues); ++i)
            table.rows.push_back({tensors[i].name, detail::grouped(tensors[i].parameters)});
        text += detail::markdown_table(table);
    };
    tell(r.only_in_a, "A");
    tell(r.only_in_b, "B");
    return text;
}

WEIGHTSCOPE_INLINE std::string to_markdown(const series_result& r, const markdown_options& options)
{
    return fmt::format("## {}, {}, {}\n", detail::counted(r.checkpoints.size(), "checkpoint", "checkpoints"),
                       detail::counted(r.count(severity::critical), "critical finding", "critical findings"),
                       detail::counted(r.count(severity::warning), "warning", "warnings"))
           + detail::markdown_findings(detail::series_findings(r), options.top_issues, nullptr)
           + detail::markdown_table(detail::moved_table(r, options.top_issues));
}

}  // namespace weightscope
