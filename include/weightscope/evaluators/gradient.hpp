#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/model_vector.hpp>

namespace weightscope {

/// First derivatives of the mean loss by each weight of a tensor.
struct tensor_gradient
{
    std::size_t tensor = 0;
    std::vector<double> values = {};  ///< row-major
};

struct gradient_result
{
    std::vector<tensor_gradient> tensors = {};
    double loss = 0;                ///< mean loss
    bool single_precision = false;  ///< the evaluator gave floats
    evaluation_counts counts = {};
};

/// The exact gradient of the mean loss over the batches, from the evaluator.
///
///     g = sum over batches of their gradients / sum of their counts
///
/// @param evaluator  differentiable_evaluator
/// @param options    batches and tensors
/// @return           see gradient_result
/// @throws std::invalid_argument  a tensor or batch does not exist, or the evaluator puts something out of range into the sink
/// @note   one gradient per batch; 8 bytes of memory for each weight of the chosen tensors
template <class E>
[[nodiscard]] gradient_result estimate_gradient(E& evaluator, const evaluation_options& options = {})
{
    static_assert(explain_gradient<E>());
    constexpr auto caller = "estimate_gradient(evaluator, options)";
    auto held = detail::hold(evaluator);
    const auto batches = detail::chosen_batches(held, options, caller);
    const auto tensors = detail::chosen_tensors(held, options, caller);
    auto gradient = detail::gradient_of(held, batches, tensors, detail::tensor_slots(held, tensors), caller);
    gradient_result result{.loss = gradient.loss.mean(), .single_precision = gradient.single_precision, .counts = held.counts()};
    for (std::size_t i = 0; i < tensors.size(); ++i)
        result.tensors.push_back({tensors[i], std::move(gradient.values[i])});
    return result;
}

}  // namespace weightscope
