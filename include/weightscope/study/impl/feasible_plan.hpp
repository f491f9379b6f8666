#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_items.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_solution.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/feasible_plan.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_variants.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE void require_feasible_plan(const model& m, const allocation_plan_options& options, const allocation_sources& sources)
{
    allocation_plan plan{.settings = options};
    plan.settings.loss = allocation_loss::error;  // a table of losses is not needed yet
    if (plan.settings.candidates.empty())
        plan.settings.candidates = default_allocation_candidates();
    detail::require_allocation_plan(plan.settings, sources);
    detail::begun_study begun = detail::begin_study(m, detail::plan_study_options(plan.settings));
    plan.study = std::move(begun.study);
    for (study_layer& layer : plan.study.layers)
        for (std::size_t s = 0; layer.kept.empty() && s < plan.study.schemes.size(); ++s)
            layer.figures.push_back({.storage = storage_bytes(detail::quantized_shape(layer), plan.study.schemes[s])});
    detail::follow_first(plan.study, begun.layers);
    const std::vector<detail::layer_losses> none(plan.study.layers.size());
    plan.items = detail::make_plan_items(plan.study, begun.layers, none, plan.settings, sources.latencies);
    for (plan_item& item : plan.items)
        for (plan_option& option : item.options)
            option.loss = static_cast<double>(option.bytes);
    plan.kept_bytes = detail::bytes_of_kept_layers(plan.study);
    detail::solve_asked_plan(plan, m);
}

}  // namespace weightscope
