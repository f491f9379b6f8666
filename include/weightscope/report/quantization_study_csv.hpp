#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// One row for each variant and layer, in that order, after a row for each variant as a whole, whose layer is empty.
///
/// `scheme` is empty where the variant keeps the layer, and `reason` says why; then there are no errors. Cells are empty where a number
/// is missing. Where spectra were measured, their columns follow in the rows of layers, and where losses were, theirs in those of wholes. Names are quoted where RFC 4180 wants it.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const quantization_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_csv.hpp>
#endif
