#pragma once
// How good a model is on data, as JSON.

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/report/json.hpp>

namespace weightscope {

/// What a study tells about a model on data, in the order of a report: f(name, metric).
template <class F>
void for_each_figure(const model_quality& quality, F&& f)
{
    f("loss", quality.loss);
    f("loss_change", quality.loss_change);
    f("loss_change_error", quality.loss_change_error);
    f("perplexity", quality.perplexity);
    f("kl_divergence", quality.outputs.kl_divergence);
    f("kl_divergence_error", quality.outputs.kl_divergence_error);
    f("top1_agreement", quality.outputs.top1_agreement);
    f("outputs_mae", quality.outputs.mae);
    f("outputs_rmse", quality.outputs.rmse);
    f("outputs_psnr_db", quality.outputs.psnr_db);
    f("outputs_cosine_similarity", quality.outputs.cosine);
}

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const model_quality& quality);

// The evaluator's own figures.
WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<named_metric>& figures);

// With the evaluator's own figures.
WEIGHTSCOPE_INLINE ordered_json measured_json(const model_quality& quality);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/model_quality_json.hpp>
#endif
