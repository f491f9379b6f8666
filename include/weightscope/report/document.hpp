#pragma once
// What a page and a review show of any result: the verdict first, then what was found and what to do, then tables and charts.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

/// Rows under headings; the first column tells what a row is about.
struct document_table
{
    std::string title = {};
    std::vector<std::string> headings = {};
    std::vector<std::vector<std::string>> rows = {};  ///< as many cells as headings
    std::string below = {};                           ///< a sentence that explains it; may be empty
};

/// The report on a result, whoever reads it. `to_document` makes one, to_html() a page of it and to_markdown() text for a review.
struct report_document
{
    std::string subject = {};                    ///< the model, or what else the report is about
    std::string verdict = {};                    ///< one sentence
    std::optional<severity> worst = {};          ///< of what was found; none: all is well, or nothing was judged
    std::vector<std::string> sentences = {};     ///< that explain the verdict
    std::vector<finding> findings = {};          ///< the most severe first
    bool judged = false;                         ///< also tell that nothing was found
    std::vector<std::string> steps = {};         ///< what to do next, sentence by sentence
    std::vector<document_table> tables = {};
    std::vector<chart> charts = {};
    std::vector<std::pair<std::string, std::string>> facts = {};  ///< name and value, of little weight: settings, machine, seconds
};

namespace detail {

// Wide enough that nothing is wrapped.
inline constexpr std::size_t document_width = 1'000'000;

// Texts for a terminal, that wide: each line is a sentence.
inline std::vector<std::string> document_lines(std::string_view text)
{
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() + (line.size() < text.size() ? 1 : 0));
        if (!line.empty())
            lines.emplace_back(line);
    }
    return lines;
}

// Adds a table where there is something in it, without columns in which there is nothing.
inline void add_table(report_document& document, std::string title, text_table table, std::string below = {})
{
    for (std::size_t column = table.headings.size(); column-- > 1;) {
        if (!std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row[column].empty(); }))
            continue;
        const auto at = static_cast<std::ptrdiff_t>(column);
        table.headings.erase(table.headings.begin() + at);
        for (auto& row : table.rows)
            row.erase(row.begin() + at);
    }
    if (!table.rows.empty())
        document.tables.push_back({.title = std::move(title), .headings = std::move(table.headings), .rows = std::move(table.rows), .below = std::move(below)});
}

inline std::optional<severity> worst_of(const std::vector<finding>& findings)
{
    std::optional<severity> worst;
    for (const finding& f : findings)
        worst = !worst || f.level > *worst ? f.level : *worst;
    return worst;
}

}  // namespace detail

}  // namespace weightscope
