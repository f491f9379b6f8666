#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/allocation_evaluation.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope {

namespace detail {

// The plan, the rules of thumb, and the plans of as many bytes.
inline std::vector<std::size_t> variants_to_measure(const allocation_plan& plan)
{
    std::vector<std::size_t> variants = {plan.variant};
    for (const plan_rule& rule : plan.rules) {
        variants.push_back(rule.variant);
        if (rule.optimum_variant)
            variants.push_back(*rule.optimum_variant);
    }
    return variants;
}

}  // namespace detail

WEIGHTSCOPE_INLINE model_quality_plan plan_measured(const allocation_plan& plan, const quality_meter& meter)
{
    return meter.plan(detail::variants_to_measure(plan).size());
}

WEIGHTSCOPE_INLINE allocation_plan measure_plan(const model& m, allocation_plan plan, quality_meter& meter, const progress_callback& progress)
{
    detail::measure_variants("measure_plan(model, plan, meter)", m, plan.study, detail::variants_to_measure(plan), meter, progress);
    return plan;
}

}  // namespace weightscope
