#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<std::string> document_lines(std::string_view text)
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

WEIGHTSCOPE_INLINE void add_table(report_document& document, std::string title, text_table table, std::string below)
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

WEIGHTSCOPE_INLINE std::optional<severity> worst_of(const std::vector<finding>& findings)
{
    std::optional<severity> worst;
    for (const finding& f : findings)
        worst = !worst || f.level > *worst ? f.level : *worst;
    return worst;
}

}  // namespace weightscope::detail
