#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>

namespace weightscope {

namespace detail {

// Whether a text begins with a number that stands by itself: "1,024", "-3.5e-07", "≥ 2 %", "x 1.5", "12 of 40", but not "8bit".
WEIGHTSCOPE_INLINE bool is_figure(std::string_view cell);

// Whether a column is one of figures: most of its cells are.
WEIGHTSCOPE_INLINE bool has_figures(const document_table& table, std::size_t column);

}  // namespace detail

/// A document as a page that can be mailed, printed, and opened offline in ten years.
///
/// One file of HTML, in the frame that the page of a scan has too: the verdict first, then what to do, tables that sort and filter, charts
/// inline. Its style and script are in it, and a Content-Security-Policy allows nothing else. Without scripts, and on paper, all is there.
///
/// @return UTF-8; names from files are escaped wherever they stand
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_html(const report_document& document);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/html_document.hpp>
#endif
