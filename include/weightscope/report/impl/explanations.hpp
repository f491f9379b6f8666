#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/explanation.hpp>
#include <weightscope/report/explanations.hpp>
#include <weightscope/report/explanations_of_elements.hpp>
#include <weightscope/report/explanations_of_spectra.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/rules.hpp>

namespace weightscope {

namespace detail {

// "warning above 1 %, critical above 10 %"
template <class Rule>
std::string limits_text(const Rule& r, const std::string& suffix)
{
    std::vector<std::string> limits;
    for (const severity level : {severity::info, severity::warning, severity::critical})
        if (const std::optional<double>& limit = r.limit(level))
            limits.push_back(fmt::format("{} where it is {} {}{}{}", to_string(level), to_string(r.compare), figure(*limit),
                                         r.unit.empty() ? "" : " " + r.unit, suffix));
    return fmt::format("{}", fmt::join(limits, ", "));
}

WEIGHTSCOPE_INLINE explanation explanation_of(const rule& r)
{
    explanation e{.name = r.id, .kind = "rule", .meaning = fmt::format("Where it fires: {}.", r.meaning)};
    e.formula = r.label.empty() || r.label == r.metric_name ? r.metric_name : fmt::format("{}: {}", r.label, r.metric_name);
    e.range = limits_text(r, r.times_baseline ? " times that of a Gaussian matrix" : "");
    if (r.worst)
        e.range += "; a warning at most where one scale per row reaches 30 dB";
    if (!r.explained_by.empty())
        e.healthy = fmt::format("not told beside {}", fmt::join(r.explained_by, ", "));
    e.remedy = r.remedy;
    return e;
}

WEIGHTSCOPE_INLINE explanation explanation_of(const change_rule& r)
{
    return {.name = r.id,
            .kind = "rule about changes",
            .meaning = fmt::format("Where it fires: {}.", r.meaning),
            .formula = fmt::format("{}: {}", r.label, r.metric_name),
            .range = limits_text(r, ""),
            .healthy = r.explained_by.empty() ? "" : "not told beside " + r.explained_by,
            .remedy = r.remedy};
}

// Single insertions, deletions and changes that make one word of the other.
inline std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

// "stable_rank" of "spectral.stable_rank"; a threshold has a dot of its own.
inline std::string_view word_of(const explanation& e)
{
    const std::size_t threshold = e.name.find("threshold_"), dot = e.name.rfind('.');
    if (threshold != std::string::npos)
        return std::string_view(e.name).substr(threshold);
    return dot == std::string::npos ? e.name : std::string_view(e.name).substr(dot + 1);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<explanation> all_explanations()
{
    std::vector<explanation> all = detail::explanations_of_elements();
    const auto first_method = std::find_if(all.begin(), all.end(), [](const explanation& e) { return e.name.starts_with("quantization."); });
    const std::vector<explanation> spectra = detail::explanations_of_spectra();
    all.insert(first_method, spectra.begin(), spectra.end());
    const auto add = [&](explanation e) {
        if (std::none_of(all.begin(), all.end(), [&](const explanation& other) { return other.name == e.name; }))
            all.push_back(std::move(e));
    };
    for (const auto& table : {default_rules(), classic_rules(), heavy_tail_rules()})
        for (const rule& r : table)
            add(detail::explanation_of(r));
    for (const auto& table : {comparison_rules(), series_rules()})
        for (const change_rule& r : table)
            add(detail::explanation_of(r));
    return all;
}

WEIGHTSCOPE_INLINE std::vector<explanation> explain_word(std::string_view word)
{
    std::vector<explanation> found, all = all_explanations();
    for (const explanation& e : all)
        if (e.name == word)
            return {e};
    for (const explanation& e : all)
        if (detail::word_of(e) == word || (e.name.size() > word.size() && e.name.ends_with("." + std::string(word))))
            found.push_back(e);
    return found;
}

WEIGHTSCOPE_INLINE std::vector<std::string> similar_names(std::string_view word, std::size_t limit)
{
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const explanation& e : all_explanations()) {
        const std::string_view last = detail::word_of(e);
        const bool part = word.size() >= 3 && e.name.find(word) != std::string::npos;
        const std::size_t distance = part ? 1 : std::min(detail::edit_distance(word, last), detail::edit_distance(word, e.name));
        if (distance <= std::max<std::size_t>(2, word.size() / 3))
            ranked.emplace_back(distance, e.name);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(limit, ranked.size()); ++i)
        names.push_back(ranked[i].second);
    return names;
}

WEIGHTSCOPE_INLINE std::string to_text(const explanation& e)
{
    std::string text = fmt::format("{}  ({})\n{}\n", e.name, e.kind, e.meaning);
    const bool field = e.kind == "field";
    for (const auto& [label, value] : {std::pair{field ? "formula" : "looks at", &e.formula}, std::pair{field ? "range" : "limits", &e.range},
                                       std::pair{field ? "healthy" : "note", &e.healthy}, std::pair{"remedy", &e.remedy},
                                       std::pair{"source", &e.source}})
        if (!value->empty())
            text += fmt::format("  {:<9}{}\n", label, *value);
    return text;
}

WEIGHTSCOPE_INLINE std::string explanations_page()
{
    const auto cell = [](const std::string& text) {
        std::string safe;
        for (const char c : text)
            safe += c == '|' ? "\\|" : std::string(1, c);
        return safe;
    };
    const std::vector<explanation> all = all_explanations();
    std::string text = "# What the figures and rules mean\n\n"
                       "`weightscope explain NAME` prints one of these. Figures are of the finite weights; a figure that does not exist is "
                       "null, and `<name>_reason` says why.\n\n## Fields of a scan\n\n"
                       "Those above `census` and those with a method's name before them belong to each layer.\n\n"
                       "| field | meaning | formula | range | healthy | source |\n|---|---|---|---|---|---|\n";
    for (const explanation& e : all)
        if (e.kind == "field")
            text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", e.name, cell(e.meaning), cell(e.formula), cell(e.range), cell(e.healthy),
                                cell(e.source));
    for (const auto& [kind, title] : {std::pair{"rule", "Rules about one model"}, std::pair{"rule about changes", "Rules about two models, or a series"}}) {
        text += fmt::format("\n## {}\n\n| rule | meaning | looks at | limits | remedy | note |\n|---|---|---|---|---|---|\n", title);
        for (const explanation& e : all)
            if (e.kind == kind)
                text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", e.name, cell(e.meaning), cell(e.formula), cell(e.range), cell(e.remedy),
                                    cell(e.healthy));
    }
    return text;
}

}  // namespace weightscope
