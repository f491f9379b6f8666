#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_sources.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE prune_plan plan_pruning(const model& m, const prune_sources& sources, study_pruning_options options);

WEIGHTSCOPE_INLINE prune_result study_pruning(const model& m, const prune_sources& sources, study_pruning_options options,
                                              const progress_callback& progress);

}  // namespace detail

/// Says what study_pruning() will cost: calls of the evaluators, seconds and memory.
///
/// @throws std::invalid_argument  as study_pruning()
/// @note   costs a loss, and a gradient where one is needed
[[nodiscard]] WEIGHTSCOPE_INLINE prune_plan plan_pruning(const model& m, const prune_sources& sources, const study_pruning_options& options);

/// Chooses what to take out of a model, by one method or several side by side, and measures what is left. Nothing is written: see
/// write_pruned().
///
///     transformer<float> calibration = open_transformer(folder, calibration_tokens), held_out = open_transformer(folder, other_tokens);
///     prune_sources sources;
///     sources.calibrate_with(calibration);
///     sources.measure_with(held_out);
///     const prune_result r = study_pruning(m, sources, {.methods = {parse_prune_method("taylor"), parse_prune_method("magnitude")}});
///     write_pruned("smaller", m, r.groups, r.chosen().selection.removed);
///
/// The data are collected once for all methods. Groups compete by score = importance / parameters, unless group_scores says otherwise;
/// single weights within their matrix, row or block, or all of them where the unit is global. "auto" removes a sample for real for each
/// candidate and takes, for attention and feed-forward parts apart, the one whose scores rank it best; groups of both parts are then
/// brought to one scale, that of the measured changes.
///
/// @param m         that the evaluators run
/// @param sources   see prune_sources
/// @param options   see study_pruning_options
/// @param progress  called as each step goes on; can cancel
/// @return          see prune_result
/// @throws std::invalid_argument  a method lacks what it needs, or options do not fit the model
/// @throws io_error               the model cannot be read, or contradicts its configuration
/// @throws cancelled              the callback returned false
/// @note   memory: what plan_pruning() says. The evaluators' weights are changed and put back. The same choice for any number of threads.
[[nodiscard]] WEIGHTSCOPE_INLINE prune_result study_pruning(const model& m, const prune_sources& sources, const study_pruning_options& options = {},
                                                            const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/prune_study.hpp>
#endif
