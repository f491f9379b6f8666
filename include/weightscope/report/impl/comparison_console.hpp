#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string change_findings_text(const std::vector<finding>& findings, const console_options& options, const console_style& style)
{
    return findings_text(health_result{.findings = findings}, options, style);
}

WEIGHTSCOPE_INLINE void append_text_table(std::string& text, const text_table& table, const console_style& style, std::size_t width)
{
    if (table.rows.empty())
        return;
    const std::vector<std::string> lines = table.lines(width);
    text += "\n" + style.bold(lines.front()) + "\n" + fmt::format("{}\n", fmt::join(lines.begin() + 1, lines.end(), "\n"));
}

WEIGHTSCOPE_INLINE std::string figure_or_dash(const metric& number, const char* format)
{
    return number.exists() ? fmt::format(fmt::runtime(format), number.value) : "-";
}

WEIGHTSCOPE_INLINE text_table changed_table(const comparison_result& r, std::size_t limit)
{
    const bool weights = r.a.weights && r.b.weights;
    text_table table;
    table.headings = weights ? std::vector<std::string>{"most changed layers", "distance", "cosine", "changed %", "rank", "of", "what"}
                             : std::vector<std::string>{"most changed layers", "score", "mean", "std", "norm ratio"};
    for (const compared_layer* layer : most_changed_layers(r, limit)) {
        if (!weights) {
            const scan_difference d = layer->scans.value_or(scan_difference{});
            table.rows.push_back({harmless(layer->name), figure_or_dash(d.change_score), figure_or_dash(d.mean_diff, "{:+.2e}"),
                                  figure_or_dash(d.std_diff, "{:+.2e}"), figure_or_dash(d.l2_norm_ratio)});
            continue;
        }
        const compare_weights_result& w = *layer->weights;
        const metric rank = w.difference ? w.difference->rank_99_energy : metric::missing("no spectrum");
        table.rows.push_back({harmless(layer->name), figure_or_dash(w.relative_l2_distance, "{:.4g}"), figure_or_dash(w.cosine_similarity),
                              figure_or_dash(w.changed_percentage, "{:.2f}"), figure_or_dash(rank, "{:.0f}"),
                              w.difference ? fmt::format("{}", w.difference->total_rank) : "-", std::string(to_string(layer->relation))});
    }
    return table;
}

inline std::string unmatched_text(const std::vector<unmatched_tensor>& tensors, const char* side, std::size_t limit, std::size_t width)
{
    std::vector<std::string> names;
    for (const unmatched_tensor& t : tensors)
        if (names.size() < limit)
            names.push_back(harmless(t.name) + (t.equal_to.empty() ? "" : fmt::format(" (equal to {})", harmless(t.equal_to))));
    std::string text;
    if (!names.empty())
        append_wrapped(text += "\n",
                       fmt::format("Only in {}: {}{}", side, fmt::join(names, ", "),
                                   tensors.size() > names.size() ? fmt::format(" and {} more", tensors.size() - names.size()) : ""),
                       width, 0, plain);
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const comparison_result& r, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(comparison, options): options.width is {}, expected 60 to 200",
            options.width);
    const detail::console_style style{options.color};
    std::string text = style.bold(to_string(r.relation)) + "\n";
    for (const auto& [letter, m] : {std::pair{"A", &r.a}, std::pair{"B", &r.b}})
        detail::append_wrapped(text,
                               fmt::format("{}: {}{} with {} and {} parameters", letter, m->weights ? "" : "saved scan of ",
                                           detail::harmless(m->path), detail::counted(m->tensors, "tensor", "tensors"),
                                           detail::grouped(m->parameters)),
                               options.width, 0, detail::plain);
    for (const std::string& sentence : r.evidence)
        detail::append_wrapped(text, sentence, options.width, 0, detail::plain);
    std::vector<const compared_layer*> lost;
    for (const compared_layer& layer : r.layers)
        if (!layer.error.empty())
            lost.push_back(&layer);
    if (!lost.empty())
        detail::append_wrapped(text,
                               fmt::format("{} could not be compared, {} first: {}", detail::counted(lost.size(), "layer", "layers"),
                                           detail::harmless(lost[0]->name), detail::harmless(lost[0]->error)),
                               options.width, 0, detail::plain);
    text += detail::change_findings_text(r.findings, options, style);
    detail::append_text_table(text, detail::changed_table(r, options.top_issues), style, options.width);
    text += detail::unmatched_text(r.only_in_a, "A", options.top_issues, options.width);
    text += detail::unmatched_text(r.only_in_b, "B", options.top_issues, options.width);
    return text;
}

}  // namespace weightscope
