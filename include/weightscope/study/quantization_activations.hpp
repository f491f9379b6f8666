#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/quantizers/activation_range.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/study/activation_watcher.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE scheme activation_scheme(const activation_study_options& options);

// Rows of activations with one code for all, or where that has no scale, each with its own.
WEIGHTSCOPE_INLINE void round_activation_rows(std::span<float> values, std::size_t cols, const activation_code& code,
                                              const activation_study_options& options);

WEIGHTSCOPE_INLINE void choose_best_trial(activation_study_result& study);

// Rounds the inputs of the layers that a study has seen, as one of its trials says. Refers to neither.
WEIGHTSCOPE_INLINE activation_change rounding_of(const std::vector<weight_info>& weights, const activation_study_result& study, std::size_t trial);

}  // namespace detail

/// Watches the inputs of a model's linear layers and says how to quantize them: ranges, what each observer cuts off and loses, and
/// which channels stand out.
///
///     const auto study = study_activations(transformer, {.bits = 8, .samples = 2048});
///     study.layers[i].codes[o].sqnr_db ...
///
/// @param evaluator  activation_evaluator
/// @param options    see activation_study_options
/// @param progress   called after each batch; may cancel
/// @return           see activation_study_result; SQNR as activation_observer tells it
/// @throws std::invalid_argument  an option is out of range
/// @throws cancelled              the callback returned false
/// @note one pass over the batches until every layer has its samples; 64 KiB for each layer
/// @see  Dettmers et al. 2022, arXiv:2208.07339, for channels that stand out; activation_observer for the observers
template <activation_evaluator E>
[[nodiscard]] activation_study_result study_activations(E& evaluator, const activation_study_options& options = {},
                                                        const progress_callback& progress = {})
{
    constexpr const char* caller = "study_activations(evaluator, options)";
    require(!options.observers.empty(), "{}: options.observers is empty, expected one or more", caller);
    require(options.outlier_ratio > 0, "{}: options.outlier_ratio is {}, expected above 0", caller, options.outlier_ratio);
    activation_study_options settings = options;
    if (settings.per_token)
        settings.observers = {observer_method::min_max};
    require_scheme(detail::activation_scheme(settings), caller, 2);
    const auto start = std::chrono::steady_clock::now();
    const std::vector<weight_info> weights(std::as_const(evaluator).weights().begin(), std::as_const(evaluator).weights().end());
    detail::activation_watcher watcher(weights, settings);
    const activation_tap tap = watcher.tap();
    const std::size_t batches = std::as_const(evaluator).batch_count();
    progress_reporter reporter(progress, batches, static_cast<double>(batches));
    for (std::size_t batch = 0; batch < batches && !watcher.satisfied(); ++batch) {
        evaluator.observe(batch, tap);
        reporter.finished("activations", 1);
    }
    activation_study_result study = watcher.result();
    detail::choose_best_trial(study);
    study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return study;
}

/// Runs the model with the inputs of its linear layers rounded as each observer says, and adds what that does to the loss.
///
/// @param evaluator  activation_changing_evaluator that the study is of
/// @param study      its trials get a quality, and `best` is then that of the least loss
/// @param meter      of the same evaluator
/// @param weights    where not empty, the best trial is also measured with the weights that it writes: quantized weights and
///                   activations together; `together_with` names them
/// @throws cancelled  the callback returned false
template <activation_changing_evaluator E>
[[nodiscard]] activation_study_result measure_activation_losses(E& evaluator, activation_study_result study, quality_meter& meter,
                                                                const quality_meter::weight_change& weights = {},
                                                                const std::string& together_with = {}, const progress_callback& progress = {})
{
    const std::vector<weight_info> infos(std::as_const(evaluator).weights().begin(), std::as_const(evaluator).weights().end());
    const model_quality_plan plan = meter.plan(study.trials.size() + (weights ? 1 : 0));
    const std::size_t calls = plan.calls();
    progress_reporter reporter(progress, calls, static_cast<double>(calls));
    const auto hold = [&](std::size_t trial) {
        return [&evaluator, change = detail::rounding_of(infos, study, trial)]() -> std::shared_ptr<void> {
            return std::make_shared<activation_patch>(evaluator, change);
        };
    };
    for (std::size_t t = 0; t < study.trials.size(); ++t)
        study.trials[t].quality = meter.changed([](weight_patch&) {}, &reporter, hold(t));
    study.best = 0;
    detail::choose_best_trial(study);
    if (weights) {
        study.together_with = together_with;
        study.together = meter.changed(weights, &reporter, hold(study.best));
    }
    return study;
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_activations.hpp>
#endif
