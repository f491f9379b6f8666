#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>

namespace weightscope {

/// The verdict at a glance: score, findings by rule, the worst layers, distributions of six figures over the layers, and the first
/// findings in words.
///
/// @param scan    see scan, read_scan
/// @param health  its verdict
/// @return        named "health_dashboard"; its data are the findings
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_health_dashboard(const scan_result& scan, const health_result& health);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_health_dashboard.hpp>
#endif
