#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>

namespace weightscope {

/// How many directions each matrix uses: numerical rank, the ranks that hold 90 and 99 % of its energy, and the rank below which two
/// factors are smaller than the matrix.
///
/// @param scan    see scan, read_scan
/// @param health  its verdict
/// @return        named "rank_efficiency"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_rank_efficiency(const scan_result& scan, const health_result& health);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_rank_efficiency.hpp>
#endif
