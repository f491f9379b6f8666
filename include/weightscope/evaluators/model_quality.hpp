#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/metrics.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope {

struct model_quality_options
{
    bool figures = false;            ///< also the evaluator's own figures: one more call a batch
    double kept_output_bytes = 1e9;  ///< outputs of the unchanged model that are kept; those that do not fit are made again for every change
    bool losses = true;   ///< loss, perplexity and their change
    bool outputs = true;  ///< how far the outputs move, where the evaluator has some
};

/// Measures a model and what changes of its weights do to it: loss, perplexity, and how far the outputs move.
///
///     quality_meter meter(evaluator);
///     const model_quality before = meter.original();
///     const model_quality after = meter.changed([&](weight_patch& patch) { patch.write(tensor, 0, quantized_bytes); });
///
/// Weights are changed in place and put back: no second model is held, but the bytes that a change replaces.
class quality_meter
{
public:
    using weight_change = std::function<void(weight_patch&)>;

    /// Runs one batch, for the plan.
    /// @param evaluator  forward_evaluator, better also output_evaluator; must outlive the meter
    template <forward_evaluator E>
    explicit quality_meter(E& evaluator, const model_quality_options& options = {})
        : evaluator_(std::make_unique<detail::evaluator_holder<E&>>(evaluator)), options_(options)
    {
        if constexpr (output_evaluator<E>) {
            bool supported = options.outputs;
            if constexpr (requires { { evaluator.supports_outputs() } -> std::convertible_to<bool>; })
                supported = supported && evaluator.supports_outputs();
            if (supported)
                outputs_ = [&evaluator](std::size_t batch) { return model_outputs(evaluator.outputs(batch)); };
        }
        probe();
    }

    /// The calls that measuring the unchanged model, if it is not yet done, and so many changes take from here on.
    [[nodiscard]] model_quality_plan plan(std::size_t changes) const
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

    /// The unchanged model. Measured once.
    model_quality original(progress_reporter* progress = nullptr)
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

    /// The model with some weights changed, compared with the unchanged one.
    /// @param hold  makes what shall live while the changed model runs, such as an activation_patch; may be empty
    model_quality changed(const weight_change& change, progress_reporter* progress = nullptr,
                          const std::function<std::shared_ptr<void>()>& hold = {})
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

    [[nodiscard]] const std::vector<weight_info>& weights() const { return evaluator_->weights(); }
    [[nodiscard]] std::size_t batch_count() const { return evaluator_->batch_count(); }

private:
    // The dearest call that will be made, once, and how long it took.
    void probe()
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

    bool has_figures() const { return options_.figures && !evaluator_->metrics().empty(); }

    std::size_t kept_count() const
    {
        const std::size_t batches = outputs_ ? evaluator_->batch_count() : 0;
        return output_bytes_ > 0 ? std::min(batches, static_cast<std::size_t>(options_.kept_output_bytes / output_bytes_)) : batches;
    }

    static void tell(progress_reporter* progress)
    {
        if (progress)
            progress->finished("forward passes", 1);
    }

    // Those that `losses` has not yet.
    void measure_losses(std::vector<loss_value>& losses, progress_reporter* progress)
    {
        while (options_.losses && losses.size() < evaluator_->batch_count()) {
            losses.push_back(evaluator_->loss(losses.size()));
            tell(progress);
        }
    }

    model_quality quality_of(const std::vector<loss_value>& losses) const
    {
        return options_.losses ? detail::quality_of_losses(losses, losses_) : detail::no_quality("not asked for");
    }

    std::vector<named_metric> measure_figures(progress_reporter* progress)
    {
        std::vector<named_metric> result = estimate_metrics(*evaluator_);
        for (std::size_t batch = 0; batch < evaluator_->batch_count(); ++batch)
            tell(progress);
        return result;
    }

    std::unique_ptr<detail::any_evaluator> evaluator_;
    model_quality_options options_;
    std::function<model_outputs(std::size_t)> outputs_ = {};
    double output_bytes_ = 0, seconds_ = 0;
    bool measured_ = false;                  // the unchanged model
    std::vector<model_outputs> kept_ = {};   // of the unchanged model
    std::vector<loss_value> losses_ = {};    // of the unchanged model
    std::vector<named_metric> figures_ = {};
};

}  // namespace weightscope
