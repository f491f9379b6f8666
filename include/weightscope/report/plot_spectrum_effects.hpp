#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// What each scheme does to the spectral norm of each matrix, as a map of schemes and layers.
///
/// @param study  with spectra, see measure_spectra; without there are no cells
/// @return       named "spectrum_effects"; its table has the other figures too
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_spectrum_effects(const quantization_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_spectrum_effects.hpp>
#endif
