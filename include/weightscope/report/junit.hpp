#pragma once

#include <optional>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

struct junit_options
{
    std::optional<severity> fail_on = severity::critical;  ///< findings as severe as this or more are failures; none: no finding is
    std::optional<baseline_comparison> baseline = {};      ///< of findings that it has as severely none is
};

/// A verdict as a report of tests in JUnit's format, which most pipelines show: a test for the model and one for each layer, which
/// fails where a finding counts, is an error where the layer could not be analysed, and is skipped where there was nothing to analyse.
///
/// @param options  see junit_options; findings that do not count are told as the test's output
/// @return         XML in UTF-8
/// @throws std::invalid_argument  options.baseline is not of this verdict
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_junit(const scan_result& scan, const health_result& health, const junit_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/junit.hpp>
#endif
