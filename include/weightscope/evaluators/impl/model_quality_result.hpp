#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/batch_error.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE output_comparison no_outputs(const std::string& reason)
{
    output_comparison result;
    for (metric* m : {&result.mae, &result.rmse, &result.psnr_db, &result.cosine, &result.kl_divergence, &result.kl_divergence_error,
                      &result.top1_agreement})
        *m = metric::missing(reason);
    return result;
}

WEIGHTSCOPE_INLINE model_quality no_quality(const std::string& reason)
{
    model_quality result{.outputs = no_outputs(reason)};
    result.loss = result.perplexity = result.loss_change = result.loss_change_error = metric::missing(reason);
    return result;
}

WEIGHTSCOPE_INLINE model_quality quality_of_losses(const std::vector<loss_value>& losses, const std::vector<loss_value>& unchanged)
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

}  // namespace weightscope::detail
