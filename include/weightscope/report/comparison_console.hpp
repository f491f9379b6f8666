#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

// Findings about changes, as those of a scan are told.
WEIGHTSCOPE_INLINE std::string change_findings_text(const std::vector<finding>& findings, const console_options& options, const console_style& style);

WEIGHTSCOPE_INLINE void append_text_table(std::string& text, const text_table& table, const console_style& style, std::size_t width);

WEIGHTSCOPE_INLINE std::string figure_or_dash(const metric& number, const char* format = "{:.4f}");

WEIGHTSCOPE_INLINE text_table changed_table(const comparison_result& r, std::size_t limit);

}  // namespace detail

/// A comparison for a terminal: what B is to A, why, what is found, the layers that changed most, and what has no counterpart.
///
/// @param options  see console_options; top_issues is the number of findings, and of rows of the table
/// @return         UTF-8, lines of at most options.width columns
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const comparison_result& r, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/comparison_console.hpp>
#endif
