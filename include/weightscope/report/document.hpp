#pragma once
// What a page and a review show of any result: the verdict first, then what was found and what to do, then tables and charts.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
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
WEIGHTSCOPE_INLINE std::vector<std::string> document_lines(std::string_view text);

// Adds a table where there is something in it, without columns in which there is nothing.
WEIGHTSCOPE_INLINE void add_table(report_document& document, std::string title, text_table table, std::string below = {});

WEIGHTSCOPE_INLINE std::optional<severity> worst_of(const std::vector<finding>& findings);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/document.hpp>
#endif
