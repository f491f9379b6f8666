#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
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
    [[nodiscard]] model_quality_plan plan(std::size_t changes) const;

    /// The unchanged model. Measured once.
    model_quality original(progress_reporter* progress = nullptr);

    /// The model with some weights changed, compared with the unchanged one.
    /// @param hold  makes what shall live while the changed model runs, such as an activation_patch; may be empty
    model_quality changed(const weight_change& change, progress_reporter* progress = nullptr,
                          const std::function<std::shared_ptr<void>()>& hold = {});

    [[nodiscard]] const std::vector<weight_info>& weights() const { return evaluator_->weights(); }
    [[nodiscard]] std::size_t batch_count() const { return evaluator_->batch_count(); }

private:
    // The dearest call that will be made, once, and how long it took.
    void probe();

    bool has_figures() const { return options_.figures && !evaluator_->metrics().empty(); }

    std::size_t kept_count() const;

    static void tell(progress_reporter* progress);

    // Those that `losses` has not yet.
    void measure_losses(std::vector<loss_value>& losses, progress_reporter* progress);

    model_quality quality_of(const std::vector<loss_value>& losses) const;

    std::vector<named_metric> measure_figures(progress_reporter* progress);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/model_quality.hpp>
#endif
