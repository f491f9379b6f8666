#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

// RFC 3986: what is no unreserved character, and no '/', is a percent sign and two digits. A path from the root is a file's address.
WEIGHTSCOPE_INLINE std::string sarif_uri(std::string_view path);

}  // namespace detail

/// A verdict in the format that services which show the findings of analysers read: SARIF 2.1.0.
///
/// Rules carry their help; each finding is a result with the file that holds the layer as its place, a shard where there are several, and
/// the layer as its logical one. Critical
/// findings are errors, warnings are warnings, info are notes.
///
/// @param baseline  an earlier verdict beside this one: results are told as new, unchanged or updated
/// @throws std::invalid_argument  the baseline is not of this verdict
/// @see OASIS Standard, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 2020
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_sarif(const scan_result& scan, const health_result& health,
                                                                 const std::optional<baseline_comparison>& baseline = std::nullopt);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/sarif.hpp>
#endif
