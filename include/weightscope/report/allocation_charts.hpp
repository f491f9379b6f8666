#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// A plan as charts: what plans and rules of thumb cost and lose, and which layers lose it.
///
/// @return "allocation_front" and "allocation_losses"
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<chart> plot_allocation(const allocation_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_charts.hpp>
#endif
