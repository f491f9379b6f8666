#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string csv_number(double value);

// RFC 4180
WEIGHTSCOPE_INLINE std::string quoted(std::string_view cell);

}  // namespace detail

/// One row per layer in model order, one column per figure ("spectral.condition_number"): what fits a spreadsheet or a data frame.
///
/// Cells are empty where a number is missing or was not measured; shapes are written 768x3072; histograms and lists stay out.
/// Names are written as they are, quoted where RFC 4180 wants it.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const scan_result& scan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/csv.hpp>
#endif
