#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One of two models: its weights, its scan, or both. Refers to them.
struct comparison_side
{
    const model* weights = nullptr;
    const scan_result* scan = nullptr;
};

struct compare_models_options
{
    compare_weights_options weights = {};
    comparison_thresholds thresholds = {};
    std::vector<change_rule> rules = comparison_rules();
    std::vector<std::string> include = {};      ///< as in scan_options
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;                    ///< 0: one per core
};

/// What one model is to another: tensors matched, compared weight by weight and figure by figure, and a verdict with its evidence.
///
///     const model before = open_model("base"), after = open_model("tuned");
///     const comparison_result r = compare_models({.weights = &before}, {.weights = &after});
///     r.relation == model_relation::fine_tune
///
/// @param a         before: weights, a scan, or both
/// @param b         after: likewise
/// @param options   see compare_models_options
/// @param progress  called when a tensor begins and when it is done; may cancel
/// @return          see comparison_result. Weights are compared where both sides have them, figures where both have scans
/// @throws std::invalid_argument  a side has neither weights nor scan, or the patterns leave no tensor
/// @throws cancelled              the callback returned false
/// @note            tensors that are alike in bytes are read once. Memory: a few of the largest tensors where they have to be decoded, and
///                  3 n² doubles for spectra
[[nodiscard]] WEIGHTSCOPE_INLINE comparison_result compare_models(const comparison_side& a, const comparison_side& b,
                                                                  const compare_models_options& options = {},
                                                                  const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/model_comparison.hpp>
#endif
