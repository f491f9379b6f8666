#pragma once
// Rules about a model as a whole: nothing in it, not all of it there, never trained.

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/score_limits.hpp>

namespace weightscope::detail {

inline rule empty_rule()
{
    return {.id = "empty",
            .label = "tensors with numbers",
            .metric_name = "count of layers",
            .model_value =
                [](const scan_result& scan) {
                    return metric(
                        static_cast<double>(std::count_if(scan.layers.begin(), scan.layers.end(), holds_numbers)));
                },
            .compare = comparison::at_most,
            .critical = 0,
            .meaning = "there is nothing to judge",
            .remedy = "Scan the file that holds the weights.",
            .score_limit = unfit};
}

inline rule lost_shards_rule()
{
    return {.id = "lost_shards",
            .label = "shards that are missing or damaged",
            .metric_name = "count of model.lost_shards",
            .model_value = [](const scan_result& scan) { return metric(static_cast<double>(scan.model.lost_shards.size())); },
            .critical = 0,
            .meaning = "the model is not whole, and nothing is known about what is lost",
            .remedy = "Download or save these files again, and scan once more.",
            .score_limit = unfit,
            .describe_model =
                [](const scan_result& scan) {
                    const auto& lost = scan.model.lost_shards;
                    return lost.size() == 1 ? lost.front() : fmt::format("{} (and {} more shards)", lost.front(), lost.size() - 1);
                }};
}

inline metric untouched_percentage(const scan_result& scan)
{
    std::size_t biases = 0, gains = 0, untouched = 0;
    for (const layer_result& layer : scan.layers) {
        if (!layer.basic_stats || layer.parameters == 0)
            continue;
        const double initial = is_bias(layer) ? 0 : 1;
        if (!is_bias(layer) && !is_norm_gain(layer))
            continue;
        ++(initial == 0 ? biases : gains);
        untouched += layer.basic_stats->min.value == initial && layer.basic_stats->max.value == initial
                     && layer.basic_stats->census.finite_count() == layer.parameters;
    }
    if (biases < 2 || gains < 2)
        return metric::missing("fewer than two biases or two norm gains");
    return 100 * static_cast<double>(untouched) / static_cast<double>(biases + gains);
}

inline rule untrained_rule()
{
    return {
        .id = "untrained",
        .label = "biases still 0 and norm gains still 1",
        .metric_name = "share of biases that are 0 and norm gains that are 1",
        .model_value = untouched_percentage,
        .compare = comparison::at_least,
        .critical = 100,
        .unit = "%",
        .meaning = "the model looks untrained",
        .remedy = "Check that this is the trained checkpoint and that its weights were loaded before it was saved.",
        .score_limit = unfit};
}

}  // namespace weightscope::detail
