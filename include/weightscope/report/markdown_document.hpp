#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/markdown.hpp>

namespace weightscope {

/// A document for a review or the summary of a pipeline's run, in GitHub's Markdown: the verdict, what to do, and every table.
///
/// @param options  see markdown_options; top_issues is the number of findings, and of rows of each table
/// @return         UTF-8; names are code, and nothing in them is markup
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_markdown(const report_document& document, const markdown_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/markdown_document.hpp>
#endif
