#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/series_result.hpp>

namespace weightscope {

struct markdown_options
{
    std::size_t top_issues = 10;                       ///< at most so many findings, and rows of each table
    bool heavy_tails = false;                          ///< also a table of power law exponents
    std::optional<baseline_comparison> baseline = {};  ///< findings are told with their state, and what is resolved
};

namespace detail {

WEIGHTSCOPE_INLINE std::string markdown_findings(const std::vector<finding>& findings, std::size_t limit, const baseline_comparison* baseline);

}  // namespace detail

/// A scan and its verdict for a review or the summary of a pipeline's run: what the console tells, in GitHub's Markdown.
///
/// @param options  see markdown_options
/// @return         UTF-8; names are code, and nothing in them is markup
/// @throws std::invalid_argument  options.baseline is not of this verdict
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_markdown(const scan_result& scan, const health_result& health, const markdown_options& options = {});

/// A comparison of two models, likewise.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_markdown(const comparison_result& r, const markdown_options& options = {});

/// A series of checkpoints, likewise.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_markdown(const series_result& r, const markdown_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/markdown.hpp>
#endif
