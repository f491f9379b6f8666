#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

/// One of the evaluator's own figures.
struct named_metric
{
    std::string name = {};
    bool higher_is_better = false;
    metric value = {};  ///< mean over the batches; missing where nothing was counted or the sum is not finite
};

/// The evaluator's own figures over batches, each the sum of its sums over the sum of its counts.
///
/// @param evaluator  measured_evaluator
/// @param batches    numbers of batches; empty: all
/// @return           in the order of evaluator.metrics()
/// @throws std::invalid_argument  a batch does not exist
/// @note   one measure() per batch
template <class E>
[[nodiscard]] std::vector<named_metric> estimate_metrics(E& evaluator, const std::vector<std::size_t>& batches = {})
{
    static_assert(measured_evaluator<E>,
                  "this needs figures besides the loss: give the evaluator a member metrics() const that returns a range of "
                  "weightscope::metric_info, and a member measure(std::size_t batch, std::span<weightscope::loss_value> values)");
    std::vector<named_metric> result;
    for (const metric_info& info : std::as_const(evaluator).metrics())
        result.push_back({.name = info.name, .higher_is_better = info.higher_is_better, .value = {}});
    std::vector<loss_value> sums(result.size()), values(result.size());
    const std::size_t count = std::as_const(evaluator).batch_count();
    for (std::size_t i = 0; i < (batches.empty() ? count : batches.size()); ++i) {
        const std::size_t batch = batches.empty() ? i : batches[i];
        require(batch < count, "estimate_metrics(evaluator, batches): batch {} is asked for, expected below {}", batch, count);
        values.assign(result.size(), {});
        evaluator.measure(batch, values);
        for (std::size_t m = 0; m < sums.size(); ++m) {
            sums[m].sum += values[m].sum;
            sums[m].count += values[m].count;
        }
    }
    for (std::size_t m = 0; m < sums.size(); ++m)
        result[m].value = sums[m].count > 0 ? metric(sums[m].mean()) : metric::missing("nothing was counted");
    return result;
}

}  // namespace weightscope
