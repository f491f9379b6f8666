#pragma once

#include <optional>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// A scan and its verdict as a document: what was found, and every table of the console with all its rows. The page of a scan is
/// to_html(scan, health), which has each layer's figures and charts too.
///
/// @param baseline  an earlier verdict beside this one: a table of the states of the findings
/// @throws std::invalid_argument  the baseline is not of this verdict
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const scan_result& scan, const health_result& health,
                                                             const std::optional<baseline_comparison>& baseline = std::nullopt);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/scan_document.hpp>
#endif
