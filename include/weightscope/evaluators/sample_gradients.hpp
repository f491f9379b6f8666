#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/model_vector.hpp>

namespace weightscope::detail {

// What to sum up of the gradients of samples.
struct sample_gradient_options
{
    bool gradients = true;        // beside their squares
    bool standard_errors = true;  // where there are two samples or more
    bool per_item = true;         // a mean over what the loss counts, such as tokens; false: over samples
    std::string step = "gradients of samples";  // for the progress
};

// One vector for each chosen tensor; empty vectors where something was not asked for.
struct sample_gradient_sums
{
    model_vector gradients = {}, squares = {}, gradient_errors = {}, square_errors = {};
    loss_value loss = {};
    std::size_t samples = 0;
};

// Gradients of whole batches, which say nothing of samples.
inline sample_gradient_sums sum_batch_gradients(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                const progress_callback& progress, std::string_view caller)
{
    const tensor_slots slots(evaluator, tensors);
    sample_gradient_sums result{.gradients = zeros_for(evaluator, tensors)};
    const gradient_sink sink = sink_into(result.gradients, evaluator, slots, caller);
    progress_reporter reporter(progress, batches.size(), static_cast<double>(batches.size()));
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

// Mean and spread over samples of each weight's gradient and of its square, one tensor in each vector.
struct sample_moments
{
    std::vector<std::vector<running_mean>> gradients = {}, squares = {};
    std::size_t samples = 0;

    sample_moments(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors, bool with_gradients)
    {
        for (const std::size_t t : tensors) {
            squares.emplace_back(evaluator.weights()[t].size());
            gradients.emplace_back(with_gradients ? evaluator.weights()[t].size() : 0);
        }
    }

    // Takes in the gradient of one more sample and leaves zeros for the next.
    void add(model_vector& gradient)
    {
        ++samples;
        constexpr std::size_t part = std::size_t{1} << 16;
        for (std::size_t t = 0; t < gradient.size(); ++t)
            parallel_for((gradient[t].size() + part - 1) / part, [&](std::size_t p) {
                const std::size_t end = std::min(gradient[t].size(), (p + 1) * part);
                for (std::size_t i = p * part; i < end; ++i) {
                    const double g = std::exchange(gradient[t][i], 0.0);
                    squares[t][i].add(g * g, samples);
                    if (!gradients[t].empty())
                        gradients[t][i].add(g, samples);
                }
            });
    }
};

// Means and their errors, times `scale`; the moments are freed as it goes.
inline void finish_moments(std::vector<std::vector<running_mean>>& moments, std::size_t samples, double scale, bool with_errors, model_vector& means,
                           model_vector& errors)
{
    for (std::vector<running_mean>& tensor : moments) {
        std::vector<double>& mean = means.emplace_back(tensor.size());
        std::vector<double>& error = errors.emplace_back(with_errors ? tensor.size() : 0);
        for (std::size_t i = 0; i < tensor.size(); ++i) {
            mean[i] = scale * tensor[i].mean;
            if (with_errors)
                error[i] = scale * tensor[i].standard_error(samples);
        }
        std::vector<running_mean>().swap(tensor);  // no more than the plan says
    }
}

inline sample_gradient_sums sum_sample_gradients(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                 const sample_gradient_options& options, const progress_callback& progress, std::string_view caller)
{
    const bool by_sample = evaluator.has_sample_gradient();
    require(by_sample || evaluator.has_gradient(), "{}: the evaluator has neither sample_gradient() nor loss_and_gradient(); expected one of them",
            caller);
    const tensor_slots slots(evaluator, tensors);
    model_vector gradient = zeros_for(evaluator, tensors);
    const gradient_sink sink = sink_into(gradient, evaluator, slots, caller);
    sample_moments moments(evaluator, tensors, options.gradients);
    sample_gradient_sums result;
    progress_reporter reporter(progress, batches.size(), static_cast<double>(batches.size()));
    for (const std::size_t batch : batches) {
        loss_value loss;
        if (!by_sample || options.per_item)
            loss = by_sample ? evaluator.loss(batch) : evaluator.loss_and_gradient(batch, sink);
        result.loss.sum += loss.sum;
        result.loss.count += loss.count;
        require(by_sample || loss.count == 1,
                "{}: batch {} counts {} items and the evaluator has no sample_gradient(); the square of a batch's mean gradient is no "
                "Fisher information: give the evaluator sample_gradient(), or batches of one sample",
                caller, batch, loss.count);
        if (!by_sample)
            moments.add(gradient);
        const std::size_t samples = by_sample ? evaluator.sample_count(batch) : 0;
        for (std::size_t sample = 0; sample < samples; ++sample) {
            evaluator.sample_gradient(batch, sample, sink);
            moments.add(gradient);
        }
        reporter.finished(options.step, 1);
    }
    result.samples = moments.samples;
    require(result.samples > 0, "{}: the batches have no samples, expected 1 or more", caller);
    require(!options.per_item || result.loss.count > 0, "{}: the batches count {} items, expected more than 0", caller, result.loss.count);
    model_vector().swap(gradient);
    // from a mean over samples to one over what the loss counts, such as tokens
    const double scale = options.per_item ? static_cast<double>(result.samples) / result.loss.count : 1;
    const bool errors = options.standard_errors && result.samples > 1;
    finish_moments(moments.gradients, result.samples, scale, errors, result.gradients, result.gradient_errors);
    finish_moments(moments.squares, result.samples, scale, errors, result.squares, result.square_errors);
    return result;
}

}  // namespace weightscope::detail
