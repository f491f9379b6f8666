#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_diff_result.hpp>

namespace weightscope {

/// One row for each layer and scheme but the first one, in that order, layers that are kept included; cells are empty where a number is
/// missing.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const quantization_diff_result& diff);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_diff_csv.hpp>
#endif
