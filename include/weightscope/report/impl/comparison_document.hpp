#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/comparison_document.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/series_report.hpp>
#include <weightscope/report/series_result.hpp>

namespace weightscope {

namespace detail {

inline std::string compared_model_sentence(const compared_model& m, const char* letter)
{
    return fmt::format("{}: {}{} with {} and {} parameters", letter, m.weights ? "" : "saved scan of ", m.path, counted(m.tensors, "tensor", "tensors"),
                       grouped(m.parameters));
}

inline void add_unmatched(report_document& document, const std::vector<unmatched_tensor>& tensors, const char* side)
{
    text_table table{.headings = {"tensor", "parameters", "type", "equal to"}};
    for (const unmatched_tensor& t : tensors)
        table.rows.push_back({t.name, grouped(t.parameters), t.dtype, t.equal_to});
    add_table(document, fmt::format("Only in {}", side), std::move(table));
}

// How tensors were found again, and what became of those that the table of changes leaves out.
inline text_table compared_pairs_table(const comparison_result& r)
{
    text_table table{.headings = {"in A", "in B", "found by", "relation", "because", "type", "type in B", "parameters"}};
    for (const compared_layer& layer : r.layers)
        table.rows.push_back({layer.name, layer.name_b == layer.name ? "" : layer.name_b, std::string(to_string(layer.how)), std::string(to_string(layer.relation)),
                              layer.error.empty() ? layer.evidence : layer.error, layer.dtype, layer.dtype_b == layer.dtype ? "" : layer.dtype_b, grouped(layer.parameters)});
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE report_document to_document(const comparison_result& r)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    std::string relation(to_string(r.relation));
    report_document document{.subject = fmt::format("{} and {}", r.a.path, r.b.path),
                             .verdict = fmt::format("B to A: {}", relation),
                             .worst = detail::worst_of(r.findings),
                             .sentences = {detail::compared_model_sentence(r.a, "A"), detail::compared_model_sentence(r.b, "B")},
                             .findings = r.findings,
                             .judged = true};
    document.sentences.insert(document.sentences.end(), r.evidence.begin(), r.evidence.end());
    const auto lost = std::count_if(r.layers.begin(), r.layers.end(), [](const compared_layer& layer) { return !layer.error.empty(); });
    if (lost > 0)
        document.sentences.push_back(fmt::format("{} could not be compared", detail::counted(static_cast<std::size_t>(lost), "layer", "layers")));
    detail::add_table(document, "Changes", detail::changed_table(r, all), "The most changed layers first.");
    detail::add_table(document, "Pairs", detail::compared_pairs_table(r));
    detail::add_unmatched(document, r.only_in_a, "A");
    detail::add_unmatched(document, r.only_in_b, "B");
    document.facts = {{"cosine", detail::figure_or_dash(r.cosine_similarity, "{:.6f}")},
                      {"distance", detail::figure_or_dash(r.relative_l2_distance, "{:.4g}")},
                      {"seconds", fmt::format("{:.2f}", r.seconds)}};
    return document;
}

WEIGHTSCOPE_INLINE report_document to_document(const series_result& r)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    report_document document{.subject = r.checkpoints.empty() ? "no checkpoint" : fmt::format("{} to {}", r.checkpoints.front().path, r.checkpoints.back().path),
                             .verdict = fmt::format("{}, {}, {}", detail::counted(r.checkpoints.size(), "checkpoint", "checkpoints"),
                                                    detail::counted(r.count(severity::critical), "critical finding", "critical findings"),
                                                    detail::counted(r.count(severity::warning), "warning", "warnings")),
                             .findings = detail::series_findings(r),
                             .judged = true};
    document.worst = detail::worst_of(document.findings);
    detail::text_table checkpoints{.headings = {"checkpoint", "layers", "moved", "findings", "seconds"}};
    for (const series_checkpoint& c : r.checkpoints)
        checkpoints.rows.push_back({c.name, detail::grouped(c.layers.size()), detail::figure_or_dash(c.relative_l2_distance, "{:.4g}"), detail::grouped(c.findings.size()),
                                    fmt::format("{:.2f}", c.seconds)});
    detail::add_table(document, "Checkpoints", std::move(checkpoints), "moved: the distance from the checkpoint before, as a share of its norm.");
    detail::add_table(document, "Layers", detail::moved_table(r, all), "way: the distances from checkpoint to checkpoint, added up; the longest first.");
    if (r.checkpoints.size() >= 2)
        document.charts = {plot_training_evolution(to_scan_steps(r))};
    document.facts = {{"rules", fmt::format("{}", r.rules.size())}};
    return document;
}

}  // namespace weightscope
