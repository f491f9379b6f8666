#pragma once
// The figures of a scan as a page's script reads them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/explanations.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/html_text.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

using html_figure = std::pair<std::string, metric>;  // name and value

// The numbers among the fields, parts of parts joined by dots; lists and texts stay out.
template <has_fields T>
void html_append_figures(std::vector<html_figure>& figures, const T& value, const std::string& prefix)
{
    for_each_field(value, [&]<class V>(std::string_view name, const V& field) {
        const std::string whole = prefix + std::string(name);
        if constexpr (has_fields<V>)
            html_append_figures(figures, field, whole + ".");
        else if constexpr (std::is_same_v<V, metric>)
            figures.emplace_back(whole, field);
        else if constexpr (std::is_same_v<V, whole_metric>)
            figures.emplace_back(whole, field.number);
        else if constexpr (std::is_arithmetic_v<V> && !std::is_same_v<V, bool>)
            if (!prefix.empty())
                figures.emplace_back(whole, static_cast<double>(field));
    });
}

// Whole numbers whole, others with five digits, of which the page shows four.
inline std::string html_json_number(double value)
{
    const bool whole = value == std::rint(value) && std::fabs(value) < 1e15;
    return !std::isfinite(value) ? "null" : whole ? fmt::format("{:.0f}", value) : fmt::format("{:.5g}", value);
}

inline std::string html_json_figure(const metric& number)
{
    return number.exists() ? html_json_number(number.value) : html_json_string(number.reason);
}

// All figures that any layer has, and those of each layer.
struct html_figures
{
    std::vector<std::string> names = {};
    std::vector<std::unordered_map<std::string, metric>> layers = {};

    explicit html_figures(const scan_result& scan)
    {
        for (const layer_result& layer : scan.layers) {
            std::vector<html_figure> figures;
            html_append_figures(figures, layer, "");
            auto place = names.begin();  // where a figure that is new belongs: after the one before it
            for (const html_figure& figure_of_layer : figures) {
                auto found = std::find(names.begin(), names.end(), figure_of_layer.first);
                if (found == names.end())
                    found = names.insert(place, figure_of_layer.first);
                place = found + 1;
            }
            layers.emplace_back(figures.begin(), figures.end());
        }
    }

    const metric* find(std::size_t layer, const std::string& name) const
    {
        const auto found = layers[layer].find(name);
        return found == layers[layer].end() ? nullptr : &found->second;
    }

    bool has(const std::string& name) const { return std::find(names.begin(), names.end(), name) != names.end(); }
};

// Which findings each layer has: places in health.findings, the worst first.
inline std::vector<std::vector<std::size_t>> html_findings_of_layers(const scan_result& scan, const health_result& health)
{
    std::unordered_map<std::string_view, std::vector<std::size_t>> by_name;
    for (std::size_t k = 0; k < health.findings.size(); ++k)
        by_name[health.findings[k].layer].push_back(k);
    std::vector<std::vector<std::size_t>> result;
    for (const layer_result& layer : scan.layers) {
        const auto found = layer.name.empty() ? by_name.end() : by_name.find(layer.name);
        result.push_back(found == by_name.end() ? std::vector<std::size_t>() : found->second);
    }
    return result;
}

inline std::vector<std::string> html_notes(const layer_result& layer)
{
    std::vector<std::string> notes;
    const auto add = [&](const char* what, const std::string& text) {
        if (!text.empty())
            notes.push_back(html_json_string(what + text));
    };
    add("Shares the storage of ", layer.tied_to);
    add("Holds the same bytes as ", layer.duplicate_of);
    add("Not analysed: ", layer.skipped);
    add("Could not be analysed: ", layer.error);
    if (layer.transposed)
        add("", "Lies as [in, out] in the file; analysed as [out, in].");
    return notes;
}

inline std::string html_layer(const layer_result& layer, const html_figures& figures, std::size_t i, int score, const std::vector<std::size_t>& found,
                              const health_result& health)
{
    std::vector<std::string> values;
    for (const std::string& name : figures.names) {
        const metric* number = figures.find(i, name);
        values.push_back(number ? html_json_figure(*number) : "null");
    }
    while (!values.empty() && values.back() == "null")
        values.pop_back();
    std::string text = fmt::format("{{\"n\":{},\"s\":\"{}\",\"d\":{},\"p\":{},\"score\":{},\"v\":{}", html_json_string(layer.name),
                                   fmt::join(layer.shape, "x"), html_json_string(layer.dtype), layer.parameters, score, html_json_list(values));
    if (const std::vector<std::string> notes = html_notes(layer); !notes.empty())
        text += ",\"notes\":" + html_json_list(notes);
    if (!found.empty())
        text += fmt::format(",\"f\":[{}],\"l\":\"{}\"", fmt::join(found, ","), to_string(health.findings[found.front()].level));
    if (layer.basic_stats && !layer.basic_stats->histogram.counts.empty()) {
        const value_histogram& h = layer.basic_stats->histogram;
        text += fmt::format(",\"h\":[{},{},{}]", html_json_number(h.edges.front()), html_json_number(h.edges.back()), fmt::join(h.counts, ","));
    }
    if (layer.spectral && !layer.spectral->top_singular_values.empty()) {
        std::vector<std::string> sigmas;
        for (const double sigma : layer.spectral->top_singular_values)
            sigmas.push_back(html_json_number(sigma));
        text += ",\"t\":" + html_json_list(sigmas);
    }
    return text + "}";
}

// {"fields": [[name, meaning]...], "rules": {id: [meaning, remedy]}, "findings": [...], "layers": [...]}
inline std::string html_data(const scan_result& scan, const health_result& health, const html_figures& figures, const baseline_comparison* baseline)
{
    std::map<std::string, std::string> meanings;
    for (const explanation& e : all_explanations())
        meanings[e.name] = e.meaning;
    std::vector<std::string> fields, rules, findings, layers;
    for (const std::string& name : figures.names)
        fields.push_back(html_json_list({html_json_string(name), html_json_string(meanings[name])}));
    std::map<std::string_view, const rule*> by_id;
    for (const rule_outcome& outcome : health.rules)
        if (outcome.finding_count > 0) {
            const rule& r = outcome.judged_by;
            by_id[r.id] = &r;
            rules.push_back(html_json_string(r.id) + ":" + html_json_list({html_json_string(r.meaning), html_json_string(r.remedy)}));
        }
    for (std::size_t k = 0; k < health.findings.size(); ++k) {
        const finding& f = health.findings[k];
        const auto r = by_id.find(f.rule_id);
        std::string text = fmt::format("{{\"level\":\"{}\",\"rule\":{},\"message\":{}", to_string(f.level), html_json_string(f.rule_id),
                                       html_json_string(f.message));
        if (r == by_id.end() || f.meaning != r->second->meaning)
            text += ",\"meaning\":" + html_json_string(f.meaning);
        if (r == by_id.end() || f.remedy != r->second->remedy)
            text += ",\"remedy\":" + html_json_string(f.remedy);
        if (baseline)
            text += fmt::format(",\"state\":\"{}\"", to_string(baseline->states[k]));
        findings.push_back(text + "}");
    }
    const auto found = html_findings_of_layers(scan, health);
    for (std::size_t i = 0; i < scan.layers.size(); ++i)
        layers.push_back(html_layer(scan.layers[i], figures, i, i < health.layers.size() ? health.layers[i].score : 100, found[i], health));
    return fmt::format("{{\"fields\":{},\"rules\":{{{}}},\"findings\":{},\"layers\":{}}}", html_json_list(fields), fmt::join(rules, ","),
                       html_json_list(findings), html_json_list(layers));
}

}  // namespace weightscope::detail
