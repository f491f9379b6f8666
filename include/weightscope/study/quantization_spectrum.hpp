#pragma once

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// Adds to a study what each scheme does to the spectrum of each matrix: the table of spectrum by quantizer.
///
///     const auto study = measure_spectra(m, study_quantization(m, options));
///     study.layers[i].figures[s].spectrum->relative_spectral_error ...
///
/// @param m         that the study is of
/// @param study     its layers' figures get a spectrum; vectors, layers that are kept and those that could not be measured have none
/// @param options   see spectrum_effect_options
/// @param progress  called when a layer begins and when it is done; may cancel
/// @throws std::invalid_argument  the study is of another model
/// @throws cancelled              the callback returned false
/// @note cost of analyze_spectrum_effect for each layer and scheme, what concerns the layer alone once; large matrices one by one
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_study_result measure_spectra(const model& m, quantization_study_result study,
                                                                           const spectrum_effect_options& options = {},
                                                                           const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_spectrum.hpp>
#endif
