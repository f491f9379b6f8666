#pragma once
// The parts of a page that tell what was found and what to do.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/version.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/html_text.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

inline std::string html_level(severity level)
{
    return fmt::format("<span class=\"level {0}\">{0}</span>", to_string(level));
}

// A list of names and what they are.
inline std::string html_facts(const std::vector<std::pair<std::string, std::string>>& facts)
{
    std::string text = "<dl class=\"facts\">";
    for (const auto& [name, value] : facts)
        if (!value.empty())
            text += fmt::format("<dt>{}</dt><dd>{}</dd>", name, html_text(value));
    return text + "</dl>\n";
}

inline std::string html_verdict(const scan_result& scan, const health_result& health, const baseline_comparison* baseline)
{
    std::string text = fmt::format("<header>\n<div class=\"verdict {0}\">\n<h1>Health {1}/100, {0}: {2}</h1>\n<p>{3}, {4}, {5} in {6}", to_string(health.grade),
                                   health.score, html_text(health.recommendation),
                                   counted(health.count(severity::critical), "critical finding", "critical findings"),
                                   counted(health.count(severity::warning), "warning", "warnings"), counted(health.count(severity::info), "note", "notes"),
                                   counted(scan.layers.size(), "tensor", "tensors"));
    if (!health.limited_by.empty())
        text += fmt::format("; the score is held down by <span class=\"name\">{}</span>", html_text(health.limited_by));
    text += "</p>\n";
    if (baseline)
        text += fmt::format("<p>Against {}: {} new, {} worse, {} known, {} resolved</p>\n", html_text(baseline->path), baseline->count(finding_state::added),
                            baseline->count(finding_state::worse), baseline->count(finding_state::known) + baseline->count(finding_state::milder),
                            baseline->resolved.size());
    const auto lost = std::count_if(scan.layers.begin(), scan.layers.end(), [](const layer_result& layer) { return !layer.error.empty(); });
    text += html_facts({{"model", scan.model.path},
                        {"format", scan.model.format + (scan.model.architecture.empty() ? "" : ", " + scan.model.architecture)},
                        {"size", fmt::format("{} parameters, {} bytes", grouped(scan.model.parameters), grouped(static_cast<std::size_t>(scan.model.bytes)))},
                        {"lost", lost ? fmt::format("{} of {} tensors could not be analysed", lost, scan.layers.size()) : ""},
                        {"lost shards", fmt::format("{}", fmt::join(scan.model.lost_shards, "; "))},
                        {"written by", fmt::format("weightscope {}", version)}});
    return text + "</div>\n<nav aria-label=\"parts of this page\"><ul><li><a href=\"#do\">What to do</a></li><li><a href=\"#layers\">Layers</a></li>"
                  "<li><a href=\"#charts\">Charts</a></li><li><a href=\"#rules\">Rules and settings</a></li></ul></nav>\n</header>\n";
}

// The layer of a finding, linked to its row; `places` holds where each layer's row is.
inline std::string html_layer_link(const finding& f, const std::vector<std::size_t>& places)
{
    if (f.layer.empty() || places.empty())
        return f.layer.empty() ? "the model" : fmt::format("<span class=\"name\">{}</span>", html_text(f.layer));
    return fmt::format("<a class=\"name\" href=\"#layer-{}\">{}</a>", places.front(), html_text(f.layer));
}

// Findings of one rule and one severity together, in the order of the first of each.
inline std::string html_findings(const scan_result& scan, const health_result& health, const baseline_comparison* baseline)
{
    constexpr std::size_t shown_at_once = 6, told_at_most = 200;
    std::unordered_map<std::string_view, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < scan.layers.size(); ++i)
        places[scan.layers[i].name].push_back(i);
    std::vector<std::vector<std::size_t>> groups;
    for (std::size_t k = 0; k < health.findings.size(); ++k) {
        const finding& f = health.findings[k];
        const auto same = [&](const std::vector<std::size_t>& group) {
            const finding& other = health.findings[group.front()];
            return other.rule_id == f.rule_id && other.level == f.level;
        };
        if (const auto group = std::find_if(groups.begin(), groups.end(), same); group != groups.end())
            group->push_back(k);
        else
            groups.push_back({k});
    }
    std::string text = groups.empty() ? "<p>Nothing was found that a rule objects to.</p>\n" : "";
    for (const auto& group : groups) {
        const finding& first = health.findings[group.front()];
        const bool one_remedy = std::all_of(group.begin(), group.end(), [&](std::size_t k) { return health.findings[k].remedy == first.remedy; });
        text += fmt::format("<section class=\"found {}\">\n<h3>{} <span class=\"name\">{}</span> <span class=\"faint\">in {}</span></h3>\n<p>{}</p>\n",
                            to_string(first.level), html_level(first.level), html_text(first.rule_id),
                            first.layer.empty() ? "the model" : counted(group.size(), "layer", "layers"), html_text(first.meaning));
        if (one_remedy)
            text += fmt::format("<p class=\"do\">{}</p>\n", html_text(first.remedy));
        text += "<ul>\n";
        for (std::size_t n = 0; n < std::min(group.size(), told_at_most); ++n) {
            const finding& f = health.findings[group[n]];
            if (n == shown_at_once)
                text += fmt::format("</ul>\n<details><summary>{} more</summary>\n<ul>\n", group.size() - n);
            const auto place = places.find(f.layer);
            text += fmt::format("<li>{}: {}{}{}</li>\n", html_layer_link(f, place == places.end() ? std::vector<std::size_t>() : place->second),
                                html_text(f.message), baseline ? fmt::format(" <b>({})</b>", to_string(baseline->states[group[n]])) : "",
                                one_remedy ? "" : fmt::format(" <span class=\"do\">{}</span>", html_text(f.remedy)));
        }
        if (group.size() > told_at_most)
            text += fmt::format("<li>and {} more, which the table of layers has under {}</li>\n", group.size() - told_at_most, html_text(first.rule_id));
        text += group.size() > shown_at_once ? "</ul>\n</details>\n</section>\n" : "</ul>\n</section>\n";
    }
    if (baseline && !baseline->resolved.empty()) {
        text += "<details><summary>" + counted(baseline->resolved.size(), "finding", "findings") + " of the baseline resolved</summary>\n<ul>\n";
        for (const finding& f : baseline->resolved)
            text += fmt::format("<li>{} {} {}</li>\n", html_level(f.level), html_text(f.layer.empty() ? "the model" : f.layer), html_text(f.rule_id));
        text += "</ul>\n</details>\n";
    }
    return text;
}

inline std::string html_plans(const scan_result& scan)
{
    std::string text;
    if (const quantization_plan plan = recommend_quantization(scan); scan.settings.quantization && !plan.layers.empty()) {
        text += fmt::format("<h3>To quantize</h3>\n<p>{} bits per weight, scales not counted</p>\n<div class=\"scroll\"><table><thead><tr><th>format</th>"
                            "<th class=\"number\">layers</th><th class=\"number\">parameters</th><th>because</th></tr></thead>\n<tbody>\n",
                            figure(plan.bits_per_weight));
        for (const format_share& share : plan.formats) {
            const auto layer = std::find_if(plan.layers.begin(), plan.layers.end(), [&](const planned_layer& l) { return l.format == share.format; });
            if (share.layer_count > 0)
                text += fmt::format("<tr><td class=\"name\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
                                    html_text(share.format), share.layer_count, grouped(share.parameters),
                                    layer == plan.layers.end() ? "" : html_text(layer->reason));
        }
        text += "</tbody></table></div>\n";
    }
    const compression_plan plan = recommend_compression(scan);
    if (plan.layers.empty())
        return text;
    text += fmt::format("<h3>To store as two factors</h3>\n<p>{}: {} parameters instead of {}</p>\n<details><summary>which</summary>\n<div class=\"scroll\">"
                        "<table><thead><tr><th>layer</th><th class=\"number\">rank</th><th class=\"number\">parameters</th><th class=\"number\">after</th>"
                        "<th>because</th></tr></thead>\n<tbody>\n",
                        counted(plan.layers.size(), "matrix", "matrices"), grouped(plan.planned_parameters), grouped(plan.parameters));
    for (const compressed_layer& layer : plan.layers)
        text += fmt::format("<tr><td class=\"name\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
                            html_text(layer.name), layer.rank, grouped(layer.parameters), grouped(layer.factor_parameters), html_text(layer.reason));
    return text + "</tbody></table></div>\n</details>\n";
}

inline std::string html_limit(const rule& r, severity level)
{
    const std::optional<double>& limit = r.limit(level);
    return limit ? html_text(fmt::format("{} {}{}", to_string(r.compare), figure(*limit), r.times_baseline ? " × Gaussian" : "")) : "";
}

inline std::string html_rules(const scan_result& scan, const health_result& health)
{
    std::string text = "<div class=\"scroll\"><table><thead><tr><th>rule</th><th>looks at</th><th>info</th><th>warning</th><th>critical</th>"
                       "<th class=\"number\">judged</th><th class=\"number\">no figure</th><th class=\"number\">findings</th></tr></thead>\n<tbody>\n";
    for (const rule_outcome& outcome : health.rules) {
        const rule& r = outcome.judged_by;
        text += fmt::format("<tr><td class=\"name\">{}</td><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td>"
                            "<td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
                            html_text(r.id), html_text(r.label.empty() ? r.metric_name : r.label), r.unit.empty() ? "" : ", " + html_text(r.unit),
                            html_limit(r, severity::info), html_limit(r, severity::warning), html_limit(r, severity::critical), outcome.judged_count,
                            outcome.missing_count, outcome.finding_count);
    }
    text += "</tbody></table></div>\n";
    std::vector<std::string> methods;
    auto take = [&](const char*, const std::vector<std::string>& names) { methods = names; };
    methods_field(take, scan.settings);
    return text
           + html_facts({{"measured", fmt::format("{}", fmt::join(methods, ", "))},
                         {"bits", fmt::format("{}, groups of {}", scan.settings.bits, scan.settings.group_size)},
                         {"include", fmt::format("{}", fmt::join(scan.settings.include, ", "))},
                         {"exclude", fmt::format("{}", fmt::join(scan.settings.exclude, ", "))},
                         {"restrict", fmt::format("{}", fmt::join(scan.settings.restrict_to, ", "))},
                         {"machine", fmt::format("{}, {}, {} threads, {}", scan.environment.cpu, scan.environment.instructions, scan.environment.threads,
                                                 scan.environment.blas)},
                         {"device", scan.environment.cuda},
                         {"seconds", fmt::format("{:.2f}", scan.seconds)}});
}

}  // namespace weightscope::detail
