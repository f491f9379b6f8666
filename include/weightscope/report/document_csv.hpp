#pragma once

#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/health_result.hpp>

namespace weightscope {

/// What was found as a table of its own.
[[nodiscard]] WEIGHTSCOPE_INLINE document_table to_table(const std::vector<finding>& findings);

/// A table of a document for a spreadsheet, as RFC 4180 wants it: a line of headings, then the rows, with the figures as people read them.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const document_table& table);

/// Every table of a document with the name of its file, such as "rules-of-thumb.csv"; what was found first, where it was judged.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::pair<std::string, std::string>> to_csv_files(const report_document& document);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/document_csv.hpp>
#endif
