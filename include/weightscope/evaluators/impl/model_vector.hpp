#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE tensor_slots::tensor_slots(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors) : slots_(evaluator.weights().size(), none)
{
    for (std::size_t t = 0; t < slots_.size(); ++t) {
        const auto found = std::find(tensors.begin(), tensors.end(), storage_of(evaluator, t));
        if (found != tensors.end())
            slots_[t] = static_cast<std::size_t>(found - tensors.begin());
    }
}

WEIGHTSCOPE_INLINE model_vector zeros_for(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    model_vector result;
    for (const std::size_t t : tensors)
        result.emplace_back(evaluator.weights()[t].size());
    return result;
}

WEIGHTSCOPE_INLINE gradient_sink sink_into(model_vector& sums, const any_evaluator& evaluator, const tensor_slots& slots, std::string_view caller)
{
    return gradient_sink([&sums, &evaluator, &slots, caller](std::size_t tensor, std::size_t offset, std::span<const double> values) {
        require(tensor < slots.size(), "{}: the evaluator put tensor {} into the sink, expected below {}", caller, tensor, slots.size());
        const std::size_t size = evaluator.weights()[tensor].size();
        require(offset <= size && values.size() <= size - offset,
                "{}: the evaluator put elements {} to {} of tensor '{}' into the sink, which has {}", caller, offset, offset + values.size(),
                printable(evaluator.weights()[tensor].name), size);
        if (slots[tensor] == tensor_slots::none)
            return;
        double* const sum = sums[slots[tensor]].data() + offset;
        for (std::size_t i = 0; i < values.size(); ++i)
            sum[i] += values[i];
    });
}

WEIGHTSCOPE_INLINE mean_gradient gradient_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches,
                                             const std::vector<std::size_t>& tensors, const tensor_slots& slots, std::string_view caller)
{
    mean_gradient result{.values = zeros_for(evaluator, tensors)};
    const gradient_sink sink = sink_into(result.values, evaluator, slots, caller);
    for (const std::size_t batch : batches) {
        const loss_value loss = evaluator.loss_and_gradient(batch, sink);
        result.loss.sum += loss.sum;
        result.loss.count += loss.count;
    }
    result.single_precision = sink.single_precision();
    require(result.loss.count > 0, "{}: the batches count {} items, expected more than 0", caller, result.loss.count);
    for (std::vector<double>& values : result.values)
        for (double& x : values)
            x /= result.loss.count;
    return result;
}

WEIGHTSCOPE_INLINE double largest_magnitude(const std::vector<double>& values)
{
    double largest = 0;
    for (const double x : values)
        largest = std::max(largest, std::fabs(x));
    return largest;
}

}  // namespace weightscope::detail
