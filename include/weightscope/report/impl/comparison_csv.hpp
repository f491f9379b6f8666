#pragma once

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/comparison_csv.hpp>
#include <weightscope/report/comparison_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const comparison_result& r)
{
    csv_table table({"name", "name_in_model2", "matched_by", "relation", "evidence", "shape", "dtype", "dtype_in_model2", "parameters",
                     "relative_l2_distance", "cosine_similarity", "sqnr_db", "changed_percentage", "significant_change_percentage",
                     "max_absolute_difference", "median_channel_drift", "max_channel_drift", "difference_rank_99_energy",
                     "difference_numerical_rank", "rank_above_rounding", "mean_diff", "std_diff", "l2_norm_ratio", "max_abs_change",
                     "condition_number_ratio", "stable_rank_diff", "change_score"});
    const auto none = metric::missing("not measured");
    for (const compared_layer& layer : r.layers) {
        compare_weights_result empty;
        const compare_weights_result& w = layer.weights ? *layer.weights : empty;
        const scan_difference d = layer.scans ? *layer.scans : scan_difference{};
        const auto cell = [](const metric& m) { return csv_table::cell(m); };
        table.add({layer.name, layer.name_b, std::string(to_string(layer.how)), std::string(to_string(layer.relation)), layer.evidence,
                   fmt::format("{}", fmt::join(layer.shape, "x")), layer.dtype, layer.dtype_b, fmt::format("{}", layer.parameters),
                   cell(w.relative_l2_distance), cell(w.cosine_similarity), cell(w.sqnr_db), cell(w.changed_percentage),
                   cell(w.significant_change_percentage), cell(w.max_absolute_difference), cell(w.median_channel_drift),
                   cell(w.max_channel_drift), cell(w.difference ? w.difference->rank_99_energy : none),
                   cell(w.difference ? w.difference->numerical_rank : none), cell(w.rank_above_rounding), cell(d.mean_diff),
                   cell(d.std_diff), cell(layer.weights ? w.l2_norm_ratio : d.l2_norm_ratio), cell(d.max_abs_change),
                   cell(d.condition_number_ratio), cell(d.stable_rank_diff), cell(d.change_score)});
    }
    return table.text();
}

}  // namespace weightscope
