#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope::detail {

// Of the mean loss, one vector for each chosen tensor; empty vectors where something was not asked for.
struct sample_gradient_sums
{
    model_vector gradients = {}, squares = {}, gradient_errors = {}, square_errors = {};
    loss_value loss = {};
    std::size_t samples = 0;
};

// Gradients of whole batches, which say nothing of samples.
inline sample_gradient_sums sum_batch_gradients(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                const importance_options& options, std::string_view caller)
{
    const tensor_slots slots(evaluator, tensors);
    sample_gradient_sums result{.gradients = zeros_for(evaluator, tensors)};
    const gradient_sink sink = sink_into(result.gradients, evaluator, slots, caller);
    progress_reporter reporter(options.evaluation.progress, batches.size(), static_cast<double>(batches.size()));
    for (const std::size_t batch : batches) {
        const loss_value loss = evaluator.loss_and_gradient(batch, sink);
        result.loss.sum += loss.sum;
        result.loss.count += loss.count;
        reporter.finished("gradients", 1);
    }
    require(result.loss.count > 0, "{}: the batches count {} items, expected more than 0", caller, result.loss.count);
    for (std::vector<double>& values : result.gradients)
        for (double& x : values)
            x /= result.loss.count;
    for (model_vector* none : {&result.squares, &result.gradient_errors, &result.square_errors})
        none->resize(tensors.size());
    return result;
}

// Mean and spread over samples of each weight's gradient and of its square.
struct sample_moments
{
    running_mean gradient = {}, square = {};
};

inline sample_gradient_sums sum_sample_gradients(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                 const importance_options& options, std::string_view caller)
{
    const tensor_slots slots(evaluator, tensors);
    const bool by_sample = evaluator.has_sample_gradient();
    model_vector gradient = zeros_for(evaluator, tensors);
    std::vector<std::vector<sample_moments>> moments;
    for (const std::size_t t : tensors)
        moments.emplace_back(evaluator.weights()[t].size());
    sample_gradient_sums result;
    progress_reporter reporter(options.evaluation.progress, batches.size(), static_cast<double>(batches.size()));
    const auto take_in = [&] {
        ++result.samples;
        for (std::size_t t = 0; t < tensors.size(); ++t) {
            constexpr std::size_t part = std::size_t{1} << 16;
            parallel_for((gradient[t].size() + part - 1) / part, [&](std::size_t p) {
                const std::size_t end = std::min(gradient[t].size(), (p + 1) * part);
                for (std::size_t i = p * part; i < end; ++i) {
                    const double g = std::exchange(gradient[t][i], 0.0);
                    moments[t][i].gradient.add(g, result.samples);
                    moments[t][i].square.add(g * g, result.samples);
                }
            });
        }
    };
    const gradient_sink sink = sink_into(gradient, evaluator, slots, caller);
    for (const std::size_t batch : batches) {
        const loss_value loss = by_sample ? evaluator.loss(batch) : evaluator.loss_and_gradient(batch, sink);
        result.loss.sum += loss.sum;
        result.loss.count += loss.count;
        if (by_sample) {
            const std::size_t samples = evaluator.sample_count(batch);
            for (std::size_t sample = 0; sample < samples; ++sample) {
                evaluator.sample_gradient(batch, sample, sink);
                take_in();
            }
        } else {
            require(loss.count == 1,
                    "{}: batch {} counts {} items and the evaluator has no sample_gradient(); the square of a batch's mean gradient is no "
                    "Fisher information: give the evaluator sample_gradient(), or batches of one sample",
                    caller, batch, loss.count);
            take_in();
        }
        reporter.finished("gradients of samples", 1);
    }
    require(result.samples > 0 && result.loss.count > 0, "{}: the batches count {} samples and {} items, expected more than 0", caller, result.samples,
            result.loss.count);
    // from a mean over samples to one over what the loss counts, such as tokens
    const double scale = static_cast<double>(result.samples) / result.loss.count;
    for (std::vector<sample_moments>& tensor : moments) {
        const bool errors = options.standard_errors && result.samples > 1;
        for (model_vector* values : {&result.gradients, &result.squares})
            values->emplace_back(tensor.size());
        for (model_vector* values : {&result.gradient_errors, &result.square_errors})
            values->emplace_back(errors ? tensor.size() : 0);
        for (std::size_t i = 0; i < tensor.size(); ++i) {
            result.gradients.back()[i] = scale * tensor[i].gradient.mean;
            result.squares.back()[i] = scale * tensor[i].square.mean;
            if (errors) {
                result.gradient_errors.back()[i] = scale * tensor[i].gradient.standard_error(result.samples);
                result.square_errors.back()[i] = scale * tensor[i].square.standard_error(result.samples);
            }
        }
        std::vector<sample_moments>().swap(tensor);  // no more than the plan says
    }
    return result;
}

}  // namespace weightscope::detail
