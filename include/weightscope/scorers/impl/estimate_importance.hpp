#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/sample_gradients.hpp>
#include <weightscope/scorers/activation_collector.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope::detail {

// Adds the parts that a tensor's numbers make, and drops them where they came from.
inline void add_gradients(importance_data& data, const weight_info& info, const importance_origin& origin, sample_gradient_sums& sums, std::size_t t)
{
    data.add(info.name, [origin, gradients = importance_values(std::move(sums.gradients[t])), squares = importance_values(std::move(sums.squares[t])),
                         gradient_errors = importance_values(std::move(sums.gradient_errors[t])),
                         square_errors = importance_values(std::move(sums.square_errors[t]))](importance_info& known) {
        known.gradients = gradients;
        if (!squares.empty())
            known.squared_gradients = squares;
        if (!gradient_errors.empty()) {
            known.gradient_errors = gradient_errors;
            known.squared_gradient_errors = square_errors;
        }
        merge_origin(known.origin, origin);
    });
}

WEIGHTSCOPE_INLINE importance_estimate estimate_importance(const importance_evaluator& asked, const importance_options& options)
{
    constexpr auto caller = "estimate_importance(evaluator, options)";
    require_possible(asked, options, caller);
    any_evaluator& evaluator = *asked.evaluator;
    const auto start = std::chrono::steady_clock::now();
    const evaluation_counts before = evaluator.counts();
    const auto batches = chosen_batches(evaluator, options.evaluation, caller);
    const auto tensors = chosen_tensors(evaluator, options.evaluation, caller);
    importance_estimate result{.batches = batches.size(), .samples = samples_of(asked, batches)};
    const importance_origin origin{.source = "evaluator",
                                   .batches = result.batches,
                                   .samples = result.samples,
                                   .seed = options.evaluation.seed,
                                   .fingerprint = options.fingerprint};

    if (options.activations) {
        activation_collector collector(evaluator.weights(), {.tensors = options.evaluation.tensors, .drop_first_of = options.drop_first_of});
        progress_reporter reporter(options.evaluation.progress, batches.size(), static_cast<double>(batches.size()));
        for (const std::size_t batch : batches) {
            collector.begin_batch();
            asked.observe(batch, collector.tap());
            reporter.finished("activations", 1);
        }
        result.observations = batches.size();
        result.activations = collector.result();
        for (const activation_statistics& statistics : result.activations)
            result.data.add(statistics.tensor, [statistics, origin, sequences = result.samples](importance_info& known) {
                known.activations = statistics;
                known.sequences = sequences;
                merge_origin(known.origin, origin);
            });
    }

    std::vector<double> fisher_sums(tensors.size());
    if (options.gradients || options.fisher) {
        const progress_callback& progress = options.evaluation.progress;
        sample_gradient_sums sums =
            options.fisher ? sum_sample_gradients(evaluator, batches, tensors, {.standard_errors = options.standard_errors}, progress, caller)
                           : sum_batch_gradients(evaluator, batches, tensors, progress, caller);
        result.loss = sums.loss.mean();
        for (std::size_t t = 0; t < tensors.size(); ++t) {
            for (const double f : sums.squares[t])
                fisher_sums[t] += f;
            add_gradients(result.data, evaluator.weights()[tensors[t]], origin, sums, t);
        }
    }

    if (options.hessian) {
        hessian_diagonal_options curvature = options.curvature;
        curvature.evaluation = options.evaluation;
        hessian_diagonal_result diagonal = hessian_diagonal(evaluator, curvature, caller);
        double fisher = 0, hessian = 0, variance = 0, floors = 0, quantile = 0;
        for (std::size_t t = 0; t < tensors.size(); ++t) {
            tensor_diagonal& found = diagonal.tensors[t];
            for (std::size_t i = 0; i < found.values.size(); ++i) {
                hessian += found.values[i];
                variance += found.standard_errors[i] * found.standard_errors[i];
                floors += found.floor;
                quantile = found.quantile;
            }
            fisher += fisher_sums[t];
            result.data.add(evaluator.weights()[tensors[t]].name,
                            [origin, values = importance_values(std::move(found.values)),
                             errors = importance_values(std::move(found.standard_errors))](importance_info& known) {
                                known.hessian_diag = values;
                                known.hessian_errors = errors;
                                merge_origin(known.origin, origin);
                            });
        }
        if (options.fisher)
            result.fisher_to_curvature_ratio = hessian > quantile * std::sqrt(variance) + floors
                                                 ? metric(fisher / hessian)
                                                 : metric::missing("the curvature's sum is not clearly positive");
    }
    result.counts = evaluator.counts() - before;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope::detail
