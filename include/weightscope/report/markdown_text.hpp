#pragma once
// Text from outside and tables, in the Markdown that reviews and job summaries show.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

// Text that Markdown shows as it stands: every character that could be markup is escaped, and '@' cannot call anybody.
inline std::string markdown_text(std::string_view text)
{
    std::string result;
    for (const char c : harmless(text)) {
        if (c == '@' || c == '<' || c == '>' || c == '&')
            result += fmt::format("&#{};", static_cast<int>(c));
        else if (std::string_view("\\`*_[]|~#!$").find(c) != std::string_view::npos)
            result += std::string("\\") + c;
        else
            result += c;
    }
    return result;
}

// A name in the letters of code; bars are escaped since it may stand in a table.
inline std::string markdown_code(std::string_view text)
{
    const std::string safe = harmless(text);
    std::size_t longest = 0, run = 0;
    std::string inside;
    for (const char c : safe) {
        run = c == '`' ? run + 1 : 0;
        longest = std::max(longest, run);
        inside += c == '|' ? "\\|" : std::string(1, c);
    }
    const std::string fence(longest + 1, '`');
    return safe.empty() ? "" : longest == 0 ? fence + inside + fence : fence + " " + inside + " " + fence;
}

// The first column holds names.
inline std::string markdown_table(const text_table& table)
{
    if (table.rows.empty())
        return {};
    std::string head = "|", rule = "|", rows;
    for (const std::string& heading : table.headings) {
        head += " " + markdown_text(heading) + " |";
        rule += rule.size() == 1 ? "---|" : "---:|";
    }
    for (const auto& row : table.rows) {
        rows += "|";
        for (std::size_t column = 0; column < row.size(); ++column)
            rows += " " + (column == 0 ? markdown_code(row[column]) : markdown_text(row[column])) + " |";
        rows += "\n";
    }
    return fmt::format("\n{}\n{}\n{}", head, rule, rows);
}

}  // namespace weightscope::detail
