#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<std::size_t> chosen_batches(const any_evaluator& evaluator, const evaluation_options& options, std::string_view caller)
{
    std::vector<std::size_t> batches = options.batches;
    const std::size_t count = evaluator.batch_count();
    require(count > 0, "{}: the evaluator has no batch, expected 1 or more", caller);
    if (batches.empty()) {
        batches.resize(count);
        std::iota(batches.begin(), batches.end(), std::size_t{0});
    }
    for (const std::size_t batch : batches)
        require(batch < count, "{}: batch {} is asked for, expected below {}", caller, batch, count);
    return batches;
}

WEIGHTSCOPE_INLINE std::size_t storage_of(const any_evaluator& evaluator, std::size_t tensor)
{
    const std::vector<weight_info>& weights = evaluator.weights();
    if (!weights[tensor].tied_to.empty())
        for (std::size_t i = 0; i < tensor; ++i)
            if (weights[i].name == weights[tensor].tied_to)
                return storage_of(evaluator, i);
    return tensor;
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> chosen_tensors(const any_evaluator& evaluator, const evaluation_options& options, std::string_view caller)
{
    const std::vector<weight_info>& weights = evaluator.weights();
    std::vector<std::size_t> tensors;
    if (options.tensors.empty()) {
        for (std::size_t t = 0; t < weights.size(); ++t)
            if (is_differentiable(weights[t].dtype) && weights[t].size() > 0 && storage_of(evaluator, t) == t)
                tensors.push_back(t);
        require(!tensors.empty(), "{}: the evaluator has no weights of floating point", caller);
        return tensors;
    }
    std::vector<bool> seen(weights.size());
    for (const std::size_t t : options.tensors) {
        require(t < weights.size(), "{}: tensor {} is asked for, expected below {}", caller, t, weights.size());
        require(is_differentiable(weights[t].dtype), "{}: tensor '{}' is {}, expected floating point", caller, printable(weights[t].name),
                to_string(weights[t].dtype));
        if (const std::size_t owner = storage_of(evaluator, t); !seen[owner]) {
            seen[owner] = true;
            tensors.push_back(owner);
        }
    }
    return tensors;
}

WEIGHTSCOPE_INLINE std::vector<std::byte> stored_bytes(const any_evaluator& evaluator, std::size_t tensor)
{
    const weight_info& info = evaluator.weights()[tensor];
    std::vector<std::byte> bytes(info.size() * (bits_of(info.dtype) / 8));
    evaluator.read(tensor, 0, bytes);
    return bytes;
}

WEIGHTSCOPE_INLINE std::vector<double> to_values(dtype type, const std::vector<std::byte>& bytes)
{
    return with_real(type, [&]<class T>(std::type_identity<T>) {
        std::vector<double> values(bytes.size() / sizeof(T));
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<double>(weight_of<T>(bytes.data() + i * sizeof(T)));
        return values;
    });
}

WEIGHTSCOPE_INLINE double root_mean_square(const std::vector<double>& values)
{
    double largest = 0, sum = 0;
    for (const double x : values)
        largest = std::max(largest, std::isfinite(x) ? std::fabs(x) : 0.0);
    if (largest == 0)
        return 0;
    for (const double x : values)
        sum += std::isfinite(x) ? (x / largest) * (x / largest) : 0.0;
    return largest * std::sqrt(sum / static_cast<double>(values.size()));
}

WEIGHTSCOPE_INLINE std::vector<loss_value> batch_losses(any_evaluator& evaluator, const std::vector<std::size_t>& batches)
{
    std::vector<loss_value> losses;
    losses.reserve(batches.size());
    for (const std::size_t batch : batches)
        losses.push_back(evaluator.loss(batch));
    return losses;
}

WEIGHTSCOPE_INLINE loss_value total(const std::vector<loss_value>& losses)
{
    loss_value sum;
    for (const loss_value& loss : losses) {
        sum.sum += loss.sum;
        sum.count += loss.count;
    }
    return sum;
}

WEIGHTSCOPE_INLINE void require_usable(const loss_value& loss, std::string_view caller)
{
    require(loss.count > 0, "{}: the batches count {} items, expected more than 0", caller, loss.count);
    require(std::isfinite(loss.sum), "{}: the loss of the unchanged model is {}, expected finite", caller,
            std::isnan(loss.sum) ? std::numeric_limits<double>::quiet_NaN() : loss.sum);  // without a sign
}

WEIGHTSCOPE_INLINE double mean_change(const std::vector<loss_value>& changed, const std::vector<loss_value>& base, double count)
{
    double sum = 0;
    for (std::size_t i = 0; i < changed.size(); ++i)
        sum += changed[i].sum - base[i].sum;
    return sum / count;
}

}  // namespace weightscope::detail
