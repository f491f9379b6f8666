#pragma once
// Rules about weights that are zero, or as good as zero.

#include <algorithm>
#include <string>

#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

inline rule sparse_rule()
{
    return {
        .id = "sparse",
        .label = "zeros",
        .metric_name = "basic_stats.zeros_percentage",
        .value = zeros_percentage,
        .info = 50,
        .unit = "%",
        .meaning = "more than half of the weights are zero",
        .remedy = "Store it in a sparse format.",
        .applies = holds_matrix_with_zeros,
        .advise =
            [](const layer_result& layer) {
                const bool two_of_four = layer.sparsity && layer.sparsity->structured_sparsity
                                         && layer.sparsity->structured_sparsity->two_of_four_percentage.exists()
                                         && layer.sparsity->structured_sparsity->two_of_four_percentage.value == 100;
                return std::string(two_of_four ? "Use 2:4 sparse kernels, which its pattern fits, or a sparse format."
                                               : "Store it in a sparse format; its pattern does not fit 2:4 kernels.");
            },
        .explained_by = {"all_zero"}};
}

// Not exactly zero, and at most 1e-6: of the finite entries.
inline metric near_zero_percentage(const layer_result& layer)
{
    if (!layer.sparsity)
        return metric::missing("not measured");
    const metric zeros = zeros_percentage(layer);
    for (const sparsity_level& level : layer.sparsity->sparsity_levels)
        if (level.threshold == dead_magnitude)
            return level.percentage.exists() && zeros.exists() ? metric(std::max(level.percentage.value - zeros.value, 0.0))
                                                               : level.percentage;
    return metric::missing("threshold not measured");
}

inline rule near_zero_rule()
{
    return {.id = "near_zero",
            .label = "weights at most 1e-6 that are not 0",
            .metric_name = "sparsity.sparsity_levels.threshold_1e-06 - threshold_0.0",
            .value = near_zero_percentage,
            .info = 10,
            .unit = "%",
            .meaning = "these weights do nothing, and a sparse format would not notice",
            .remedy = "Set them to zero; a penalty pushed them there, or training died here.",
            .applies = [](const layer_result& layer) { return holds_real_matrix(layer) && dead_means_dead(layer); },
            .explained_by = {"all_zero", "nonfinite", "sparse"}};
}

// Worth telling where it is no accident: complete, and with nearly half of the weights zero.
inline rule n_m_sparsity_rule()
{
    return {.id = "n_m_sparsity",
            .label = "runs that fit 2:4, or else 4:8",
            .metric_name = "sparsity.structured_sparsity.two_of_four_percentage, four_of_eight_percentage",
            .value =
                [](const layer_result& layer) {
                    if (!layer.sparsity || !layer.sparsity->structured_sparsity)
                        return metric::missing("not measured");
                    const structured_sparsity_result& s = *layer.sparsity->structured_sparsity;
                    const metric zeros = zeros_percentage(layer);
                    if (!zeros.exists() || zeros.value < 45)
                        return metric(0);
                    return s.two_of_four_percentage.exists() && s.two_of_four_percentage.value == 100 ? s.two_of_four_percentage
                                                                                                      : s.four_of_eight_percentage;
                },
            .compare = comparison::at_least,
            .info = 100,
            .unit = "%",
            .meaning = "the layer is pruned to a pattern that sparse kernels run",
            .remedy = "Run it with 2:4 kernels where the hardware has them; retraining must keep the zeros.",
            .applies = holds_matrix_with_zeros,
            .explained_by = {"all_zero", "sparse"}};
}

}  // namespace weightscope::detail
