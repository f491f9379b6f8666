#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/model_vector.hpp>

namespace weightscope {

/// Mean squared gradient of a sample by each weight of a tensor.
struct tensor_fisher
{
    std::size_t tensor = 0;
    std::vector<double> values = {};           ///< row-major, never negative
    std::vector<double> standard_errors = {};  ///< from the variance over samples
};

struct fisher_result
{
    std::vector<tensor_fisher> tensors = {};
    std::size_t samples = 0;
    evaluation_counts counts = {};
};

namespace detail {

inline fisher_result fisher(any_evaluator& evaluator, const evaluation_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const auto batches = chosen_batches(evaluator, options, caller);
    const auto tensors = chosen_tensors(evaluator, options, caller);
    const tensor_slots slots(evaluator, tensors);
    const bool by_sample = evaluator.has_sample_gradient();
    require(by_sample || evaluator.has_gradient(),
            "{}: the evaluator has neither sample_gradient() nor loss_and_gradient(); expected one of them", caller);

    std::vector<std::vector<running_mean>> sums;
    for (const std::size_t t : tensors)
        sums.emplace_back(evaluator.weights()[t].size());
    model_vector gradient = zeros_for(evaluator, tensors);
    fisher_result result;
    progress_reporter reporter(options.progress, batches.size(), static_cast<double>(batches.size()));
    const auto take_in = [&] {
        ++result.samples;
        for (std::size_t t = 0; t < sums.size(); ++t)
            for (std::size_t i = 0; i < sums[t].size(); ++i) {
                sums[t][i].add(gradient[t][i] * gradient[t][i], result.samples);
                gradient[t][i] = 0;
            }
    };
    for (const std::size_t batch : batches) {
        const gradient_sink sink = sink_into(gradient, evaluator, slots, caller);
        if (by_sample) {
            const std::size_t samples = evaluator.sample_count(batch);
            for (std::size_t sample = 0; sample < samples; ++sample) {
                evaluator.sample_gradient(batch, sample, sink);
                take_in();
            }
        } else {
            const loss_value loss = evaluator.loss_and_gradient(batch, sink);
            require(loss.count == 1,
                    "{}: batch {} counts {} items and the evaluator has no sample_gradient(); the square of a batch's mean gradient is no "
                    "Fisher information: give the evaluator sample_gradient(), or batches of one sample",
                    caller, batch, loss.count);
            take_in();
        }
        reporter.finished("Fisher information", 1);
    }
    require(result.samples > 0, "{}: the batches have no samples, expected 1 or more", caller);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        tensor_fisher tensor{.tensor = tensors[t], .values = {}, .standard_errors = {}};
        for (const running_mean& sum : sums[t]) {
            tensor.values.push_back(sum.mean);
            tensor.standard_errors.push_back(sum.standard_error(result.samples));
        }
        result.tensors.push_back(std::move(tensor));
    }
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace detail

/// The diagonal of the empirical Fisher information: the mean over samples of the squared gradient.
///
///     F_ii = 1/N · sum over samples n of (d loss_n / d w_i)²
///
/// @param evaluator  per_sample_gradient_evaluator, or differentiable_evaluator whose batches are of one sample each
/// @param options    batches, tensors, progress
/// @return           see fisher_result
/// @throws std::invalid_argument  there are no gradients of samples: squares of batch means are not the Fisher information
/// @note   N gradients of samples; memory: 3 doubles per weight of the chosen tensors
template <class E>
[[nodiscard]] fisher_result estimate_fisher(E& evaluator, const evaluation_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::fisher(held, options, "estimate_fisher(evaluator, options)");
}

/// What share of the true curvature the Fisher information shows, over the tensors that both have.
///
///     sum of F_ii / sum of H_ii
///
/// @return  near 1 where a model fits its data as a likelihood should; toward 0 near a minimum with small loss, where second-order
///          scores built on it vanish. Missing where the curvature's sum is not clearly positive.
[[nodiscard]] inline metric fisher_to_curvature_ratio(const fisher_result& fisher, const hessian_diagonal_result& hessian)
{
    double f = 0, h = 0, variance = 0, floors = 0, quantile = 0;
    for (const tensor_fisher& a : fisher.tensors)
        for (const tensor_diagonal& b : hessian.tensors)
            if (a.tensor == b.tensor)
                for (std::size_t i = 0; i < a.values.size(); ++i) {
                    f += a.values[i];
                    h += b.values[i];
                    variance += b.standard_errors[i] * b.standard_errors[i];
                    floors += b.floor;
                    quantile = b.quantile;
                }
    // errors of one probe's values hang together; the sum of the variances is the least that the sum's can be taken for
    if (!(h > quantile * std::sqrt(variance) + floors))
        return metric::missing("the curvature's sum is not clearly positive");
    return metric(f / h);
}

}  // namespace weightscope
