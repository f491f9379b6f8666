#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// Analyses every tensor of a model, in parallel, and returns the figures in model order.
///
///     const scan_result result = scan(open_model("model.safetensors"));
///     const health_result health = judge(result);
///
/// @param m         see open_model
/// @param options   which tensors and which analyses; see scan_options
/// @param progress  called when a tensor begins and when it is done; may cancel
/// @return          see scan_result; one tensor that cannot be analysed has an `error` and does not lose the others
/// @throws std::invalid_argument  an option is out of range, or the patterns leave no tensor
/// @throws cancelled              the callback returned false
/// @note   equal tensors are analysed once. Memory beyond the mapped file: n² doubles for the largest spectrum at work, a copy of a
///         tensor that has to be turned. Element figures have the same bits for any number of threads; spectra agree within their
///         intervals.
[[nodiscard]] WEIGHTSCOPE_INLINE scan_result scan(const model& m, const scan_options& options = {}, const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/impl/scope.hpp>
#endif
