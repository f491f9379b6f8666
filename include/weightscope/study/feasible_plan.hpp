#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/allocation_sources.hpp>

namespace weightscope {

/// Throws where no plan keeps to the budgets, with the words of plan_allocation(): sizes follow from shapes, so this reads no weights and
/// takes no time, and can be asked before a model is run to find out what each layer loses.
///
///     require_feasible_plan(m, options);
///     const auto plan = plan_allocation(m, options, measure_allocation(evaluator, m, options));
///
/// What is solved is the plan of fewest bytes within the budgets.
///
/// @param m        see open_model
/// @param options  see allocation_plan_options; what counts as loss does not matter
/// @param sources  the latencies, where they are a budget
/// @throws std::invalid_argument  the budget is below the smallest plan, which is told; a candidate, pattern or number is not valid
/// @note   layers whose weights cannot be read are counted as if they could; in the plan they are kept. Of several budgets at once the
///         search may be the longest part, as in the plan itself
WEIGHTSCOPE_INLINE void require_feasible_plan(const model& m, const allocation_plan_options& options, const allocation_sources& sources = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/feasible_plan.hpp>
#endif
