#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/batch_error.hpp>
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

inline output_comparison no_outputs(const std::string& reason)
{
    output_comparison result;
    for (metric* m : {&result.mae, &result.rmse, &result.psnr_db, &result.cosine, &result.kl_divergence, &result.kl_divergence_error,
                      &result.top1_agreement})
        *m = metric::missing(reason);
    return result;
}

// Of a model that nothing ran.
inline model_quality no_quality(const std::string& reason)
{
    model_quality result{.outputs = no_outputs(reason)};
    result.loss = result.perplexity = result.loss_change = result.loss_change_error = metric::missing(reason);
    return result;
}

// What losses of batches say of a model, beside those of the unchanged one.
inline model_quality quality_of_losses(const std::vector<loss_value>& losses, const std::vector<loss_value>& unchanged)
{
    loss_value sum;
    double change = 0;
    std::vector<loss_value> changes;
    for (std::size_t b = 0; b < losses.size(); ++b) {
        sum.sum += losses[b].sum;
        sum.count += losses[b].count;
        changes.push_back({losses[b].sum - unchanged[b].sum, losses[b].count});
        change += changes.back().sum;
    }
    model_quality result;
    result.loss = sum.count > 0 ? metric(sum.mean()) : metric::missing("nothing was counted");
    result.perplexity = result.loss.exists() ? metric(std::exp(result.loss.value)) : result.loss;
    if (!result.loss.exists()) {
        result.loss_change = result.loss_change_error = result.loss;
        return result;
    }
    result.loss_change = change / sum.count;
    result.loss_change_error = estimate_batch_error(changes);
    return result;
}

}  // namespace detail

}  // namespace weightscope
