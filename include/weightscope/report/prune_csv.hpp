#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

/// The choice as a table. Groups: one row each in the order that they go in, "layer_idx,group_type,group_idx,importance,cost,score,removed",
/// cost in parameters. Single weights: one row for each matrix, "name,parameters,removed,ratio,method".
///
/// Cells are empty where a number is missing.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const prune_result& result);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/prune_csv.hpp>
#endif
