#pragma once
// The figures of a scan as a page's script reads them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

// Whole numbers whole, others with the four digits that the page shows, in the fewest letters.
inline std::string html_json_number(double value)
{
    const bool whole = value == std::rint(value) && std::fabs(value) < 1e15;
    if (!std::isfinite(value) || whole)
        return std::isfinite(value) ? fmt::format("{:.0f}", value) : "null";
    std::string text = fmt::format("{:.4g}", value);
    if (const std::size_t e = text.find("e+0"); e != std::string::npos)
        text.erase(e + 1, 2);
    else if (const std::size_t small = text.find("e-0"); small != std::string::npos)
        text.erase(small + 2, 1);
    return text;
}

// Texts that stand many times in a page, each kept once.
class html_words
{
public:
    std::size_t place_of(const std::string& text)
    {
        const auto [found, added] = places_.emplace(text, texts_.size());
        if (added)
            texts_.push_back(html_json_string(text));
        return found->second;
    }
    std::string json() const { return html_json_list(texts_); }

private:
    std::unordered_map<std::string, std::size_t> places_ = {};
    std::vector<std::string> texts_ = {};
};

// A number, or in quotes which word says why there is none.
inline std::string html_json_figure(const metric& number, html_words& words)
{
    return number.exists() ? html_json_number(number.value) : fmt::format("\"{}\"", words.place_of(number.reason));
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
            notes.push_back(what + text);
    };
    add("Shares the storage of ", layer.tied_to);
    add("Holds the same bytes as ", layer.duplicate_of);
    add("Lies in ", layer.file);
    add("Not analysed: ", layer.skipped);
    add("Could not be analysed: ", layer.error);
    if (layer.transposed)
        add("", "Lies as [in, out] in the file; analysed as [out, in].");
    return notes;
}

// Whole numbers in base 36, as scripts read them, which takes a third less room; so many neighbours as `merged` are added up.
template <class Counts>
std::string html_short_counts(const Counts& counts, std::size_t merged = 1)
{
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string text;
    for (std::size_t i = 0; i < counts.size(); i += merged) {
        std::uint64_t count = 0;
        for (std::size_t k = i; k < std::min<std::size_t>(i + merged, counts.size()); ++k)
            count += counts[k];
        std::string number;
        do
            number.insert(number.begin(), digits[static_cast<std::size_t>(count % 36)]);
        while ((count /= 36) > 0);
        text += (text.empty() ? "" : " ") + number;
    }
    return text;
}

// The values of one figure in all layers: one where they are all alike.
inline std::string html_column_values(const html_figures& figures, const std::string& name, html_words& words)
{
    std::vector<std::string> values;
    for (std::size_t i = 0; i < figures.layers.size(); ++i) {
        const metric* number = figures.find(i, name);
        values.push_back(number ? html_json_figure(*number, words) : "null");
    }
    const bool alike = std::all_of(values.begin(), values.end(), [&](const std::string& value) { return value == values.front(); });
    return alike ? values.front() : html_json_list(values);
}

inline std::string html_layer(const layer_result& layer, int score, const std::vector<std::size_t>& found, const health_result& health, html_words& words, bool coarse)
{
    std::string text = fmt::format("{{\"n\":{},\"s\":\"{}\",\"d\":{},\"p\":{}", html_json_string(layer.name), fmt::join(layer.shape, "x"),
                                   html_json_string(layer.dtype), layer.parameters);
    if (score != 100)
        text += fmt::format(",\"score\":{}", score);
    std::vector<std::size_t> notes;
    for (const std::string& note : html_notes(layer))
        notes.push_back(words.place_of(note));
    if (!notes.empty())
        text += fmt::format(",\"notes\":[{}]", fmt::join(notes, ","));
    if (!found.empty())
        text += fmt::format(",\"f\":[{}],\"l\":\"{}\"", fmt::join(found, ","), to_string(health.findings[found.front()].level));
    if (layer.basic_stats && !layer.basic_stats->histogram.counts.empty()) {
        const value_histogram& h = layer.basic_stats->histogram;
        text += fmt::format(",\"h\":[{},{},\"{}\"]", html_json_number(h.edges.front()), html_json_number(h.edges.back()),
                            html_short_counts(h.counts, coarse && h.counts.size() % 2 == 0 ? 2 : 1));
    }
    if (layer.spectral && !layer.spectral->top_singular_values.empty()) {
        std::vector<std::string> sigmas;
        for (const double sigma : layer.spectral->top_singular_values)
            sigmas.push_back(html_json_number(sigma));
        text += ",\"t\":" + html_json_list(sigmas);
    }
    return text + "}";
}

// {"fields": [[name, meaning]...], "values": [of each field those of all layers...], "rules": {id: [meaning, remedy]}, "findings": [...],
// "layers": [...], "words": [...]}
inline std::string html_data(const scan_result& scan, const health_result& health, const html_figures& figures, const baseline_comparison* baseline)
{
    std::map<std::string, std::string> meanings;
    for (const explanation& e : all_explanations())
        meanings[e.name] = e.meaning;
    constexpr std::size_t fine_histograms = 1000;  // of more layers, bins are twice as wide: they are the largest part of such a page
    std::vector<std::string> fields, values, rules, findings, layers;
    html_words words;
    for (const std::string& name : figures.names) {
        fields.push_back(html_json_list({html_json_string(name), html_json_string(meanings[name])}));
        values.push_back(html_column_values(figures, name, words));
    }
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
        layers.push_back(html_layer(scan.layers[i], i < health.layers.size() ? health.layers[i].score : 100, found[i], health, words,
                                    scan.layers.size() > fine_histograms));
    return fmt::format("{{\"fields\":{},\"values\":{},\"rules\":{{{}}},\"findings\":{},\"layers\":{},\"words\":{}}}", html_json_list(fields), html_json_list(values),
                       fmt::join(rules, ","), html_json_list(findings), html_json_list(layers), words.json());
}

}  // namespace weightscope::detail
