#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/csv.hpp>

namespace weightscope {

/// One row for each tensor and bit position, in this order; tensors without bits to flip and those tied to an earlier one have none.
///
/// Cells are empty where a number is missing. Names are quoted where RFC 4180 wants it.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const bit_map_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_map_csv.hpp>
#endif
