#pragma once
// How good a model is on data, as JSON.

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/metric.hpp>
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
    f("top1_agreement", quality.outputs.top1_agreement);
    f("outputs_mae", quality.outputs.mae);
    f("outputs_rmse", quality.outputs.rmse);
    f("outputs_psnr_db", quality.outputs.psnr_db);
    f("outputs_cosine_similarity", quality.outputs.cosine);
}

namespace detail {

inline ordered_json json_of(const model_quality& quality)
{
    ordered_json object = ordered_json::object();
    for_each_figure(quality, [&](const char* name, const metric& figure) { append_metric(object, name, figure, false); });
    return object;
}

// The evaluator's own figures.
inline ordered_json json_of(const std::vector<named_metric>& figures)
{
    ordered_json list = ordered_json::array();
    for (const named_metric& figure : figures) {
        ordered_json one = {{"name", figure.name}, {"higher_is_better", figure.higher_is_better}};
        append_metric(one, "value", figure.value, false);
        list.push_back(std::move(one));
    }
    return list;
}

// With the evaluator's own figures.
inline ordered_json measured_json(const model_quality& quality)
{
    ordered_json object = json_of(quality);
    append_member(object, "figures", json_of(quality.figures));
    return object;
}

}  // namespace detail

}  // namespace weightscope
