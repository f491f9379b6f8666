#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/metrics.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE model_quality_plan quality_meter::plan(std::size_t changes) const
{
    const std::size_t batches = evaluator_->batch_count(), kept = kept_count();
    model_quality_plan result;
    if (options_.losses)
        result.counts.losses = batches * changes + (batches - losses_.size());
    if (has_figures())
        result.counts.measures = batches * (changes + (measured_ ? 0 : 1));
    if (outputs_) {
        result.counts.outputs = kept - kept_.size() + changes * (batches + (batches - kept));
        result.memory_bytes = static_cast<double>(kept) * output_bytes_;
    }
    result.seconds = seconds_ * static_cast<double>(result.calls());
    return result;
}

WEIGHTSCOPE_INLINE model_quality quality_meter::original(progress_reporter* progress)
{
    if (!measured_) {
        measure_losses(losses_, progress);
        if (has_figures())
            figures_ = measure_figures(progress);
        while (kept_.size() < kept_count()) {
            kept_.push_back(outputs_(kept_.size()));
            tell(progress);
        }
        measured_ = true;
    }
    model_quality result = quality_of(losses_);
    result.figures = figures_;
    if (options_.losses) {
        result.loss_change = 0.0;
        result.loss_change_error = metric::missing("nothing is changed");
    }
    result.outputs = detail::no_outputs(outputs_ ? "nothing is changed" : "no outputs");
    return result;
}

WEIGHTSCOPE_INLINE model_quality quality_meter::changed(const weight_change& change, progress_reporter* progress,
                                                        const std::function<std::shared_ptr<void>()>& hold)
{
    (void)original(progress);
    model_quality result;
    output_comparer comparer;
    {
        weight_patch patch(*evaluator_);
        change(patch);
        const std::shared_ptr<void> held = hold ? hold() : nullptr;
        std::vector<loss_value> losses;
        measure_losses(losses, progress);
        result = quality_of(losses);
        if (has_figures())
            result.figures = measure_figures(progress);
        for (std::size_t batch = 0; batch < kept_.size(); ++batch) {
            comparer.add(kept_[batch], outputs_(batch));
            tell(progress);
        }
        patch.restore();
    }
    for (std::size_t batch = kept_.size(); outputs_ && batch < evaluator_->batch_count(); ++batch) {
        const model_outputs before = outputs_(batch);
        tell(progress);
        weight_patch patch(*evaluator_);
        change(patch);
        const std::shared_ptr<void> held = hold ? hold() : nullptr;
        const model_outputs after = outputs_(batch);
        patch.restore();
        comparer.add(before, after);
        tell(progress);
    }
    result.outputs = outputs_ ? comparer.result() : detail::no_outputs("no outputs");
    return result;
}

WEIGHTSCOPE_INLINE void quality_meter::probe()
{
    require(evaluator_->batch_count() > 0, "quality_meter(evaluator): the evaluator has no batch, expected 1 or more");
    require(options_.losses || outputs_, "quality_meter(evaluator, options): options.losses is not set and there are no outputs, expected one of the two");
    const auto start = std::chrono::steady_clock::now();
    if (outputs_) {
        model_outputs first = outputs_(0);
        output_bytes_ = static_cast<double>(first.values.size() * sizeof(float));
        if (kept_count() > 0)
            kept_.push_back(std::move(first));
    } else {
        losses_.push_back(evaluator_->loss(0));
    }
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

WEIGHTSCOPE_INLINE std::size_t quality_meter::kept_count() const
{
    const std::size_t batches = outputs_ ? evaluator_->batch_count() : 0;
    return output_bytes_ > 0 ? std::min(batches, static_cast<std::size_t>(options_.kept_output_bytes / output_bytes_)) : batches;
}

WEIGHTSCOPE_INLINE void quality_meter::tell(progress_reporter* progress)
{
    if (progress)
        progress->finished("forward passes", 1);
}

WEIGHTSCOPE_INLINE void quality_meter::measure_losses(std::vector<loss_value>& losses, progress_reporter* progress)
{
    while (options_.losses && losses.size() < evaluator_->batch_count()) {
        losses.push_back(evaluator_->loss(losses.size()));
        tell(progress);
    }
}

WEIGHTSCOPE_INLINE model_quality quality_meter::quality_of(const std::vector<loss_value>& losses) const
{
    return options_.losses ? detail::quality_of_losses(losses, losses_) : detail::no_quality("not asked for");
}

WEIGHTSCOPE_INLINE std::vector<named_metric> quality_meter::measure_figures(progress_reporter* progress)
{
    std::vector<named_metric> result = estimate_metrics(*evaluator_);
    for (std::size_t batch = 0; batch < evaluator_->batch_count(); ++batch)
        tell(progress);
    return result;
}

}  // namespace weightscope
