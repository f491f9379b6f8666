#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/rules.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bool crosses(double value, comparison how, double limit);

WEIGHTSCOPE_INLINE std::string with_unit(double value, const std::string& unit);

WEIGHTSCOPE_INLINE std::string message_of(const rule& r, const finding& f);

// The finding of one rule about one number, if there is one; the texts are left to the caller.
WEIGHTSCOPE_INLINE std::optional<finding> finding_of(const rule& r, double value, const metric& baseline, severity worst = severity::critical);

WEIGHTSCOPE_INLINE bool explained(const rule& r, const std::set<std::string>& fired);

}  // namespace detail

/// The verdict on a scan: every rule put to every layer.
///
///     score = max(0, 100 - 10 critical - 3 warning)
///
/// and at most the score_limit of each rule that fires as critical. Where several limits of a rule are crossed the most severe one
/// counts. A number that is missing is not judged, and `rules` says how often: a scan that has not measured something does not
/// look healthy for it.
///
/// @param scan   see scan
/// @param rules  the table; see default_rules, classic_rules, override_threshold
/// @return       see health_result; a layer whose figures are those of an earlier one has that one's score if it is lower
/// @throws std::invalid_argument  two rules have one id, or a rule has not exactly one of value and model_value
[[nodiscard]] WEIGHTSCOPE_INLINE health_result judge(const scan_result& scan, const std::vector<rule>& rules = default_rules());

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/judge.hpp>
#endif
