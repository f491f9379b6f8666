#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/metrics.hpp>

namespace weightscope {

/// How good a model is on an evaluator's data.
struct model_quality
{
    metric loss = {};               ///< mean over all that the batches count
    metric perplexity = {};         ///< exp(loss), for a loss per token
    metric loss_change = {};        ///< from the unchanged model
    metric loss_change_error = {};  ///< standard error of loss_change over the batches, each compared with itself; missing for one batch
    std::vector<named_metric> figures = {};  ///< the evaluator's own, on request
    output_comparison outputs = {};          ///< with those of the unchanged model; missing where the evaluator has none
};

/// What measuring will cost.
struct model_quality_plan
{
    evaluation_counts counts = {};  ///< of the calls that are left
    double seconds = 0;
    double memory_bytes = 0;        ///< of outputs that are kept

    /// All of them.
    [[nodiscard]] std::size_t calls() const { return counts.losses + counts.outputs + counts.measures; }
};

namespace detail {

WEIGHTSCOPE_INLINE output_comparison no_outputs(const std::string& reason);

// Of a model that nothing ran.
WEIGHTSCOPE_INLINE model_quality no_quality(const std::string& reason);

// What losses of batches say of a model, beside those of the unchanged one.
WEIGHTSCOPE_INLINE model_quality quality_of_losses(const std::vector<loss_value>& losses, const std::vector<loss_value>& unchanged);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/model_quality_result.hpp>
#endif
