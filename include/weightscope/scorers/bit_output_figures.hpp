#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope::detail {

// How far a model's outputs are from those that it had when this was made, as figures that flips can be ranked by. They have the names
// that reports give them, and are not finite where an output is not.
class bit_output_figures
{
public:
    static constexpr std::size_t count = 4;

    static const std::array<metric_info, count>& infos()
    {
        static const std::array<metric_info, count> all = {
            {{"kl_divergence", false}, {"top1_agreement", true}, {"outputs_mae", false}, {"outputs_rmse", false}}};
        return all;
    }

    // Runs each batch once; `most_bytes` of outputs may be kept.
    bit_output_figures(any_evaluator& evaluator, std::span<const std::size_t> batches, const char* caller, double most_bytes = 1e9)
    {
        for (const std::size_t batch : batches) {
            kept_.push_back(evaluator.outputs(batch));
            const double bytes = static_cast<double>(kept_.front().values.size() * sizeof(float) * batches.size());
            require(bytes <= most_bytes, "{}: the outputs of {} batches take {:.3g} MB, and {:.3g} MB are kept; take fewer batches", caller, batches.size(),
                    bytes / 1e6, most_bytes / 1e6);
        }
    }

    // Sums over batch number `i` of those that were given.
    std::array<loss_value, count> look(any_evaluator& evaluator, std::size_t i, std::size_t batch) const
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

    // A figure from its sums over all batches.
    static double value_of(std::size_t figure, const loss_value& sum) { return is_root(figure) ? std::sqrt(sum.mean()) : sum.mean(); }
    static bool is_root(std::size_t figure) { return figure == 3; }

private:
    std::vector<model_outputs> kept_ = {};
};

}  // namespace weightscope::detail
