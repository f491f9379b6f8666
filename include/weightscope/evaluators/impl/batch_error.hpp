#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/batch_error.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE metric estimate_batch_error(std::span<const loss_value> batches)
{
    loss_value total;
    for (const loss_value& batch : batches) {
        total.sum += batch.sum;
        total.count += batch.count;
    }
    if (!(total.count > 0))
        return metric::missing("nothing was counted");
    if (batches.size() < 2)
        return metric::missing("one batch");
    const double mean = total.mean(), count = static_cast<double>(batches.size());
    double squares = 0;
    for (const loss_value& batch : batches) {
        const double residual = batch.sum - mean * batch.count;
        squares += residual * residual;
    }
    return std::sqrt(squares * count / (count - 1)) / total.count;
}

}  // namespace weightscope
