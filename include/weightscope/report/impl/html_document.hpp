#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/html_document.hpp>
#include <weightscope/report/html_script_document.hpp>
#include <weightscope/report/html_script_tips.hpp>
#include <weightscope/report/html_sections.hpp>
#include <weightscope/report/html_style.hpp>
#include <weightscope/report/html_text.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bool is_figure(std::string_view cell)
{
    for (const std::string_view sign : {"≥ ", "<= ", ">= ", "x ", "+", "-", "."})
        if (cell.starts_with(sign))
            cell.remove_prefix(sign.size());
    if (cell.empty() || cell.front() < '0' || cell.front() > '9')
        return false;
    const std::size_t end = cell.find_first_not_of("0123456789,.eE+-");
    return end == cell.npos || cell[end] == ' ' || cell[end] == '%';
}

WEIGHTSCOPE_INLINE bool has_figures(const document_table& table, std::size_t column)
{
    std::size_t figures = 0, words = 0;
    for (const auto& row : table.rows) {
        const std::string& cell = row[column];
        if (cell.empty() || cell == "-")
            continue;
        ++(is_figure(cell) ? figures : words);
    }
    return figures > words;
}

// A name that breaks after its parts rather than anywhere.
inline std::string html_breaking_name(std::string_view name)
{
    std::string text;
    for (const char c : html_text(name)) {
        text += c;
        if (c == '.' || c == '_' || c == '/')
            text += "<wbr>";
    }
    return text;
}

inline std::string html_document_table(const document_table& table, std::size_t number)
{
    constexpr std::size_t filtered_from = 8;
    constexpr const char* name = " class=\"name\"";
    std::vector<const char*> classes;
    for (std::size_t column = 0; column < table.headings.size(); ++column)
        classes.push_back(has_figures(table, column) ? " class=\"number\"" : column == 0 ? name : "");
    std::string text = fmt::format("<section id=\"table-{}\" class=\"sorts\">\n<h2>{}</h2>\n", number, html_text(table.title));
    if (table.rows.size() >= filtered_from)
        text += "<div class=\"tools scripted\"><label>filter<input type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>"
                "<p role=\"status\" aria-live=\"polite\"></p></div>\n";
    text += fmt::format("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>", html_text(table.title));
    for (std::size_t column = 0; column < table.headings.size(); ++column)
        text += fmt::format("<th scope=\"col\"{}><button type=\"button\">{}</button></th>", std::string_view(classes[column]) == name ? "" : classes[column],
                            html_text(table.headings[column]));
    text += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
        text += "<tr>";
        for (std::size_t column = 0; column < row.size(); ++column)
            text += fmt::format("<td{}>{}</td>", classes[column], std::string_view(classes[column]) == name ? html_breaking_name(row[column]) : html_text(row[column]));
        text += "</tr>\n";
    }
    text += "</tbody></table></div>\n";
    if (!table.below.empty())
        text += fmt::format("<p class=\"faint\">{}</p>\n", html_text(table.below));
    return text + "</section>\n";
}

inline std::string html_document_head(const report_document& document)
{
    const char* mood = !document.worst ? (document.judged ? " Good" : "") : *document.worst == severity::critical ? " Critical"
                       : *document.worst == severity::warning                                     ? " Warning"
                                                                                                  : " Good";
    std::string text = fmt::format("<header>\n<div class=\"verdict{}\">\n<h1>{}</h1>\n", mood, html_text(document.verdict));
    for (const std::string& sentence : document.sentences)
        text += fmt::format("<p>{}</p>\n", html_text(sentence));
    text += "</div>\n<nav aria-label=\"parts of this page\"><ul>";
    if (document.judged || !document.findings.empty() || !document.steps.empty())
        text += "<li><a href=\"#do\">What to do</a></li>";
    for (std::size_t i = 0; i < document.tables.size(); ++i)
        text += fmt::format("<li><a href=\"#table-{}\">{}</a></li>", i, html_text(document.tables[i].title));
    if (!document.charts.empty())
        text += "<li><a href=\"#charts\">Charts</a></li>";
    return text + "<li><a href=\"#settings\">Settings</a></li></ul></nav>\n</header>\n<main>\n";
}

inline std::string html_document_steps(const report_document& document)
{
    if (!document.judged && document.findings.empty() && document.steps.empty())
        return {};
    std::string text = "<section id=\"do\">\n<h2>What to do</h2>\n";
    if (document.judged || !document.findings.empty())
        text += html_findings(scan_result{}, health_result{.findings = document.findings}, nullptr);
    if (!document.steps.empty()) {
        text += "<ul>\n";
        for (const std::string& step : document.steps)
            text += fmt::format("<li>{}</li>\n", html_text(step));
        text += "</ul>\n";
    }
    return text + "</section>\n";
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_html(const report_document& document)
{
    std::string body = detail::html_document_head(document) + detail::html_document_steps(document);
    for (std::size_t i = 0; i < document.tables.size(); ++i)
        body += detail::html_document_table(document.tables[i], i);
    if (!document.charts.empty()) {
        body += "<section id=\"charts\" class=\"overview\">\n<h2>Charts</h2>\n";
        for (const chart& c : document.charts)
            body += fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", detail::html_text(c.title), c.svg);
        body += "</section>\n";
    }
    std::vector<std::pair<std::string, std::string>> facts = document.facts;
    for (auto& [name, value] : facts)
        name = detail::html_text(name);
    facts.insert(facts.begin(), {"model", document.subject});
    facts.emplace_back("written by", fmt::format("weightscope {}", version));
    body += "<section id=\"settings\">\n<h2>Settings</h2>\n" + detail::html_facts(facts) + "</section>\n</main>\n<div id=\"tip\" role=\"tooltip\" hidden></div>\n";
    return detail::html_page({.title = fmt::format("{}: {}", document.subject, document.verdict),
                              .body = std::move(body),
                              .style = detail::html_style,
                              .script = std::string(detail::html_script_tips) + std::string(detail::html_script_document)});
}

}  // namespace weightscope
