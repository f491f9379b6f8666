#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/metrics.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope {

namespace detail {

// An evaluator behind one type, with all that it can do.
struct prune_evaluator
{
    std::shared_ptr<any_evaluator> evaluator = {};
    importance_evaluator importance = {};
    std::function<model_outputs(std::size_t)> outputs = {};
    std::function<std::vector<named_metric>()> figures = {};

    explicit operator bool() const { return evaluator != nullptr; }
};

template <class E>
prune_evaluator prune_evaluator_of(E& evaluator)
{
    prune_evaluator result;
    result.evaluator = std::make_shared<evaluator_holder<E&>>(evaluator);
    result.importance = importance_evaluator_of(evaluator, *result.evaluator);
    if constexpr (output_evaluator<E>) {
        bool supported = true;
        if constexpr (requires { { evaluator.supports_outputs() } -> std::convertible_to<bool>; })
            supported = evaluator.supports_outputs();
        if (supported)
            result.outputs = [&evaluator](std::size_t batch) { return evaluator.outputs(batch); };
    }
    if constexpr (measured_evaluator<E>)
        result.figures = [&evaluator] { return estimate_metrics(evaluator); };
    return result;
}

}  // namespace detail

/// What a study of pruning may draw on: files, an evaluator with calibration data, and one that measures what is left. Each may be
/// missing; evaluators must outlive it.
class prune_sources
{
public:
    importance_data data = {};  ///< from files: wins over what an evaluator would give

    template <forward_evaluator E>
    void calibrate_with(E& evaluator)
    {
        calibration_ = detail::prune_evaluator_of(evaluator);
    }
    template <forward_evaluator E>
    void measure_with(E& evaluator)
    {
        measuring_ = detail::prune_evaluator_of(evaluator);
    }

    [[nodiscard]] const detail::prune_evaluator& calibration() const { return calibration_; }
    [[nodiscard]] const detail::prune_evaluator& measuring() const { return measuring_; }

private:
    detail::prune_evaluator calibration_ = {}, measuring_ = {};
};

}  // namespace weightscope
