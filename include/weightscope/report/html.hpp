#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

struct html_options
{
    std::optional<baseline_comparison> baseline = {};  ///< each finding is told with its state
};

namespace detail {

// A picture in which the marks of large models name their layers by the number that the table has: their names would be a third of it.
// The script puts them back.
WEIGHTSCOPE_INLINE std::string html_numbered_marks(const std::string& svg, const std::unordered_map<std::string, std::size_t>& places);

}  // namespace detail

/// A scan and its verdict as a page that can be mailed, printed, and opened offline in ten years.
///
/// One file of HTML with its style, its script and its data inside; a Content-Security-Policy allows these by their hashes and nothing
/// else, so that the page can ask nobody for anything. The verdict stands first, then what to do, then a table of all layers that
/// sorts, filters and opens to a layer's figures and charts, then the charts of the whole model. Without scripts, and on paper, all but
/// the details of layers is there.
///
/// @param scan     see scan, read_scan
/// @param health   its verdict
/// @param options  see html_options
/// @return         UTF-8; names from the file are escaped wherever they stand
/// @throws std::invalid_argument  options.baseline is not of this verdict
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_html(const scan_result& scan, const health_result& health, const html_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/html.hpp>
#endif
