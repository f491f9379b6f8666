#pragma once
// What a comparison with an earlier verdict says, as JSON and for a terminal.

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json.hpp>

namespace weightscope {

/// The "baseline" part of a saved scan: how many findings are in which state, what the verdict that it comes with adds, and what it lost.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const baseline_comparison& baseline, const health_result& health);

/// The same for a terminal, as a paragraph to follow the verdict.
///
/// @param options  see console_options; top_issues is the number of findings of each kind
/// @throws std::invalid_argument  options.width is not in 60 to 200, or the baseline is not of this verdict
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const baseline_comparison& baseline, const health_result& health,
                                                        const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/baseline_report.hpp>
#endif
