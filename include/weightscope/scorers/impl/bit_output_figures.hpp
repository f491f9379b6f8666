#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/scorers/bit_output_figures.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE const std::array<metric_info, bit_output_figures::count>& bit_output_figures::infos()
{
    static const std::array<metric_info, count> all = {
        {{"kl_divergence", false}, {"top1_agreement", true}, {"outputs_mae", false}, {"outputs_rmse", false}}};
    return all;
}

WEIGHTSCOPE_INLINE bit_output_figures::bit_output_figures(any_evaluator& evaluator, std::span<const std::size_t> batches, const char* caller,
                                                          double most_bytes)
{
    for (const std::size_t batch : batches) {
        kept_.push_back(evaluator.outputs(batch));
        const double bytes = static_cast<double>(kept_.front().values.size() * sizeof(float) * batches.size());
        require(bytes <= most_bytes, "{}: the outputs of {} batches take {:.3g} MB, and {:.3g} MB are kept; take fewer batches", caller, batches.size(),
                bytes / 1e6, most_bytes / 1e6);
    }
}

WEIGHTSCOPE_INLINE std::array<loss_value, bit_output_figures::count> bit_output_figures::look(any_evaluator& evaluator, std::size_t i,
                                                                                              std::size_t batch) const
{
    output_comparer comparer;
    comparer.add(kept_[i], evaluator.outputs(batch));
    const output_comparison found = comparer.result();
    const double rows = static_cast<double>(found.rows), elements = rows * static_cast<double>(kept_[i].cols);
    if (found.non_finite_rows > 0) {
        const double none = std::numeric_limits<double>::quiet_NaN();
        return {{{none, rows}, {none, rows}, {none, elements}, {none, elements}}};
    }
    const auto sum = [](const metric& mean, double of) { return loss_value{mean.exists() ? mean.value * of : 0, of}; };
    return {{sum(found.kl_divergence, rows), sum(found.top1_agreement, rows), sum(found.mae, elements),
             {found.rmse.exists() ? found.rmse.value * found.rmse.value * elements : 0, elements}}};
}

}  // namespace weightscope::detail
