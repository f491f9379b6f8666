#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// Maps of bits and tensors, two for each way in which tensors are stored: the largest change of each bit as a multiple of the largest
/// weight, and the share of its flips that end at NaN or Inf or change a weight by more than the largest one.
///
/// @return named "bit_map_F16", "bit_map_F16_failing"...
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<chart> plot_bit_maps(const bit_map_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_bit_maps.hpp>
#endif
