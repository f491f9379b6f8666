#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/allocation_charts.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/report/plot_scores.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<chart> plot_allocation(const allocation_plan& plan)
{
    std::vector<allocation_point> points;
    const std::size_t step = plan.front.size() / 200 + 1;
    for (std::size_t i = 0; i < plan.front.size(); i += step)
        points.push_back({.bits_per_weight = plan.front[i].bits_per_weight, .loss = plan.front[i].loss});
    const auto parameters = static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1));
    for (const plan_rule& rule : plan.rules)
        points.push_back({.bits_per_weight = 8 * static_cast<double>(rule.bytes) / parameters, .loss = rule.loss, .name = rule.name});
    points.push_back({.bits_per_weight = plan.bits_per_weight, .loss = plan.solution.loss, .name = "plan", .chosen = true});
    group_scores_chart losses{.title = "What each layer loses in its format",
                              .below = fmt::format("{}: {:.4g} bits per weight", printable(plan.study.model.path), plan.bits_per_weight),
                              .score = "loss",
                              .marked = "kept as stored",
                              .lowest_first = false};
    for (const plan_item& item : plan.items) {
        const plan_option& option = detail::chosen_option(item);
        losses.groups.push_back({.name = plan.study.layers[item.layers.front()].name, .score = option.loss, .marked = option.scheme == kept_as_stored});
    }
    std::vector<chart> charts = {plot_allocation_front(points, detail::allocation_loss_words(plan.settings.loss)), plot_group_scores(losses)};
    charts.back().name = "allocation_losses";
    return charts;
}

}  // namespace weightscope
