#pragma once

#include <functional>
#include <memory>

#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope {

namespace detail {

// An evaluator behind one type, with all that it can do.
struct prune_evaluator
{
    std::shared_ptr<any_evaluator> evaluator = {};
    importance_evaluator importance = {};
    std::function<std::unique_ptr<quality_meter>()> meter = {};  // of the model as it then is

    explicit operator bool() const { return evaluator != nullptr; }
};

template <class E>
prune_evaluator prune_evaluator_of(E& evaluator)
{
    prune_evaluator result;
    result.evaluator = std::make_shared<evaluator_holder<E&>>(evaluator);
    result.importance = importance_evaluator_of(evaluator, *result.evaluator);
    result.meter = [&evaluator] { return std::make_unique<quality_meter>(evaluator, model_quality_options{.figures = true}); };
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
