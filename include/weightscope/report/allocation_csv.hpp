#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/csv.hpp>

namespace weightscope {

/// One row for each tensor of the model, in its order.
///
/// Layers that take one format together have the same `item`; its loss and margin are those of all of them. Tensors that no plan
/// quantizes have no item, and `reason` says why.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const allocation_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_csv.hpp>
#endif
