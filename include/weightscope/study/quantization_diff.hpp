#pragma once

#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_diff_result.hpp>

namespace weightscope {

/// Compares what several conventions make of a model, layer by layer: how many dB each is apart from the first, how many weights it
/// decodes to other numbers, which groups those are in, and why.
///
///     const auto diff = study_quantization_diff(m, {parse_scheme("int4-g128"), parse_scheme("gptq-int4"), parse_scheme("awq-int4")});
///
/// @param m         see open_model
/// @param schemes   two or more; all are compared with the first one
/// @param options   which layers are compared, and how they lie; variants and searches are not looked at
/// @param listing   see compare_schemes_options
/// @param progress  called when a layer begins and when it is done; may cancel
/// @return          see quantization_diff_result; a layer that cannot be read has an `error`
/// @throws std::invalid_argument  fewer than two schemes, one that does not exist or does not fit, or the patterns leave no tensor
/// @throws cancelled              the callback returned false
/// @note memory beyond the mapped file: some ten bytes for each weight of the layers that are compared at once
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_diff_result study_quantization_diff(const model& m, const std::vector<scheme>& schemes,
                                                                                  const quantization_study_options& options = {},
                                                                                  const compare_schemes_options& listing = {},
                                                                                  const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_diff.hpp>
#endif
