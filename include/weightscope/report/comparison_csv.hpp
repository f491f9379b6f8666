#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/comparison_result.hpp>

namespace weightscope {

/// One row per matched layer, in the order of the first model. Cells are empty where a number is missing.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const comparison_result& r);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/comparison_csv.hpp>
#endif
