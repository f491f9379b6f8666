#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/markdown_document.hpp>
#include <weightscope/report/markdown_text.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_markdown(const report_document& document, const markdown_options& options)
{
    std::string text = fmt::format("## {}\n\n{}\n", detail::markdown_text(document.verdict), detail::markdown_code(document.subject));
    for (const std::string& sentence : document.sentences)
        text += "\n" + detail::markdown_text(sentence) + "\n";
    text += detail::markdown_findings(document.findings, options.top_issues, nullptr);
    if (!document.steps.empty())
        text += "\n";
    for (const std::string& step : document.steps)
        text += "- " + detail::markdown_text(step) + "\n";
    for (const document_table& table : document.tables) {
        detail::text_table shown{.headings = table.headings, .rows = table.rows};
        shown.rows.resize(std::min(shown.rows.size(), options.top_issues));
        if (shown.rows.empty())
            continue;
        text += fmt::format("\n### {}\n{}", detail::markdown_text(table.title), detail::markdown_table(shown));
        if (table.rows.size() > shown.rows.size())
            text += fmt::format("\nand {} more\n", table.rows.size() - shown.rows.size());
        if (!table.below.empty())
            text += "\n" + detail::markdown_text(table.below) + "\n";
    }
    return text;
}

}  // namespace weightscope
