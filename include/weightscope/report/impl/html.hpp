#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/html.hpp>
#include <weightscope/report/html_data.hpp>
#include <weightscope/report/html_script_charts.hpp>
#include <weightscope/report/html_script_table.hpp>
#include <weightscope/report/html_script_tips.hpp>
#include <weightscope/report/html_sections.hpp>
#include <weightscope/report/html_style.hpp>
#include <weightscope/report/html_text.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_scan.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

struct html_column
{
    const char* heading;
    const char* field;
    const char* tip;
};

inline std::vector<html_column> html_columns(const html_figures& figures)
{
    std::vector<html_column> columns = {
        {"condition number", "spectral.condition_number_at_least", "largest singular value / smallest; ≥ where that is all that is known"},
        {"stable rank", "spectral.stable_rank", "directions that carry the energy"},
        {"SQNR dB", "quantization.sqnr_db", "signal to quantization noise, one scale per tensor; more is better"},
        {"outliers %", "quantization.extreme_outlier_percentage", "weights beyond the 3 IQR fences"},
        {"zeros %", "basic_stats.zeros_percentage", "weights that are exactly 0"}};
    std::erase_if(columns, [&](const html_column& column) { return !figures.has(column.field); });
    return columns;
}

inline std::string html_heading(std::string_view key, std::string_view heading, std::string_view tip = {})
{
    return fmt::format("<th scope=\"col\" data-key=\"{}\"{}><button type=\"button\">{}</button></th>", key,
                       tip.empty() ? "" : fmt::format(" data-tip=\"{}\"", html_text(tip)), heading);
}

// Columns are told apart by their place (see html_style): a class in each cell would be a third of a large page. The rows stand as the script would sort them by findings: the worst layers first, else in model order.
inline std::vector<std::size_t> html_row_order(const health_result& health, const std::vector<std::vector<std::size_t>>& found)
{
    const auto rank = [&](std::size_t i) {
        return found[i].empty() ? std::tuple(-1, std::size_t{0}) : std::tuple(static_cast<int>(health.findings[found[i].front()].level), found[i].size());
    };
    std::vector<std::size_t> order(found.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) > rank(b); });
    return order;
}

inline std::string html_figure_cell(const layer_result& layer, const html_figures& figures, std::size_t i, const html_column& column)
{
    const metric* number = figures.find(i, column.field);
    const bool bound = number && number->exists() && std::string_view(column.field) == "spectral.condition_number_at_least" && layer.spectral
                       && !layer.spectral->condition_number.exists();
    return fmt::format("<td>{}{}</td>", bound ? "≥ " : "", number ? html_text(figure(*number)) : "–");
}

inline std::string html_rows(const scan_result& scan, const health_result& health, const html_figures& figures)
{
    const auto columns = html_columns(figures);
    const auto found = html_findings_of_layers(scan, health);
    std::string text = "<div class=\"scroll layers\"><table id=\"layers-table\"><thead><tr>" + html_heading("place", "#")
                       + html_heading("name", "layer") + html_heading("score", "score", "of this layer; 100 at best")
                       + html_heading("findings", "findings") + html_heading("parameters", "shape")
                       + html_heading("type", "type");
    for (const html_column& column : columns)
        text += html_heading(column.field, column.heading, column.tip);
    text += "<th scope=\"col\" data-key=\"figure\"><button type=\"button\" id=\"figure-head\">figure</button></th></tr></thead>\n"
            "<tbody id=\"rows\">\n";
    for (const std::size_t i : html_row_order(health, found)) {
        const layer_result& layer = scan.layers[i];
        std::string words;
        if (!found[i].empty()) {
            words = html_level(health.findings[found[i].front()].level);
            for (std::size_t n = 0; n < std::min<std::size_t>(found[i].size(), 3); ++n)
                words += " " + html_text(health.findings[found[i][n]].rule_id);
            words += found[i].size() > 3 ? fmt::format(" and {} more", found[i].size() - 3) : "";
        }
        text += fmt::format("<tr id=\"layer-{0}\"><td>{1}</td><td><button>{2}</button></td><td>{3}</td><td>{4}</td>"
                            "<td>{5}</td><td>{6}</td>",
                            i, i + 1, layer.name.empty() ? "(no name)" : html_text(layer.name), i < health.layers.size() ? health.layers[i].score : 100, words,
                            layer.shape.empty() ? "scalar" : fmt::format("{}", fmt::join(layer.shape, "×")), html_text(layer.dtype));
        for (const html_column& column : columns)
            text += html_figure_cell(layer, figures, i, column);
        text += "<td></td></tr>\n";
    }
    return text + "</tbody></table></div>\n<button type=\"button\" class=\"plain\" id=\"more\" hidden>more layers</button>\n";
}

inline std::string html_tools(const html_figures& figures)
{
    std::string options;
    for (const std::string& name : figures.names)
        options += fmt::format("<option{}>{}</option>", name == "basic_stats.kurtosis" ? " selected" : "", html_text(name));
    return "<div class=\"tools scripted\"><label>name, type, shape or rule<input id=\"filter\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>"
           "<label>findings<select id=\"level\"><option value=\"any\">any</option><option value=\"critical\">critical</option><option value=\"warning\">warning"
           "</option><option value=\"info\">info</option><option value=\"none\">none</option></select></label>"
           "<label>figure in the last column and the chart<select id=\"figure\">"
           + options + "</select></label><p id=\"count\" role=\"status\" aria-live=\"polite\"></p></div>\n";
}

WEIGHTSCOPE_INLINE std::string html_numbered_marks(const std::string& svg, const std::unordered_map<std::string, std::size_t>& places)
{
    constexpr std::string_view open = "<title>";
    std::string text;
    std::size_t done = 0;
    for (std::size_t at = svg.find(open); at != std::string::npos; at = svg.find(open, at)) {
        at += open.size();
        const std::size_t end = svg.find("]: ", at), bracket = end == std::string::npos ? end : svg.rfind(" [", end);
        if (bracket == std::string::npos || bracket < at || end > svg.find("</title>", at))
            continue;
        const auto found = places.find(svg.substr(at, bracket - at));
        if (found == places.end())
            continue;
        text += svg.substr(done, at - done) + fmt::format("#{}", found->second + 1);
        done = end + 1;
    }
    return text + svg.substr(done);
}

inline std::string html_charts(const scan_result& scan, const health_result& health)
{
    constexpr std::size_t named_at_most = 400;
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < scan.layers.size() && scan.layers.size() > named_at_most; ++i)
        places.emplace(html_text(scan.layers[i].name), i);
    std::string text;
    for (const chart& c : plot_scan(scan, health, {.detailed_layers = 0}))
        text += fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", html_text(c.title), places.empty() ? c.svg : html_numbered_marks(c.svg, places));
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_html(const scan_result& scan, const health_result& health, const html_options& options)
{
    const baseline_comparison* baseline = options.baseline ? &*options.baseline : nullptr;
    require(!baseline || baseline->states.size() == health.findings.size(),
            "to_html(scan, health, options): the baseline tells of {} findings, the verdict has {}", baseline ? baseline->states.size() : 0,
            health.findings.size());
    const detail::html_figures figures(scan);
    const std::string plans = detail::html_plans(scan);
    std::string body = "<a class=\"skip\" href=\"#layers\">to the layers</a>\n" + detail::html_verdict(scan, health, baseline)
                       + "<main>\n<section id=\"do\">\n<h2>What to do</h2>\n" + detail::html_findings(scan, health, baseline) + plans
                       + "</section>\n<section id=\"layers\">\n<h2>Layers</h2>\n" + detail::html_tools(figures) + detail::html_rows(scan, health, figures)
                       + "</section>\n<section id=\"charts\" class=\"overview\">\n<h2>Charts</h2>\n<figure class=\"scripted\"><figcaption>One figure, layer by "
                         "layer; the table chooses which</figcaption><div id=\"across\"></div></figure>\n"
                       + detail::html_charts(scan, health) + "</section>\n<section id=\"rules\">\n<h2>Rules and settings</h2>\n"
                       + detail::html_rules(scan, health) + "</section>\n</main>\n<div id=\"tip\" role=\"tooltip\" hidden></div>\n";
    return detail::html_page({.title = fmt::format("{}/100 {}: {}", health.score, to_string(health.grade), scan.model.path),
                              .body = std::move(body),
                              .data = detail::html_data(scan, health, figures, baseline),
                              .style = detail::html_style,
                              .script = std::string(detail::html_script_charts) + std::string(detail::html_script_tips) + std::string(detail::html_script_table)});
}

}  // namespace weightscope
