#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/integrity_rules.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/matrix_rules.hpp>
#include <weightscope/report/model_rules.hpp>
#include <weightscope/report/quantization_rules.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/rules.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/sparsity_rules.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<rule> default_rules()
{
    return {detail::empty_rule(),
            detail::lost_shards_rule(),
            detail::unreadable_rule(),
            detail::nonfinite_rule(),
            detail::all_zero_rule(),
            detail::constant_rule(),
            detail::dead_rows_rule(),
            detail::dead_columns_rule(),
            detail::low_rank_rule(),
            detail::near_singular_rule(),
            detail::spectral_norm_rule(),
            detail::rank_utilisation_rule(),
            detail::bit_flips_rule(),
            detail::outliers_rule(),
            detail::quantization_sqnr_rule(),
            detail::rounded_away_rule(),
            detail::channel_sqnr_rule(),
            detail::group_sqnr_rule(),
            detail::dynamic_range_rule(),
            detail::bad_scales_rule(),
            detail::subnormals_rule(),
            detail::sparse_rule(),
            detail::near_zero_rule(),
            detail::n_m_sparsity_rule(),
            detail::tied_copy_rule(),
            detail::untrained_rule()};
}

WEIGHTSCOPE_INLINE std::vector<rule> classic_rules()
{
    return {
        {.id = "condition_number",
         .label = "condition number",
         .metric_name = "spectral.condition_number_at_least",
         .value = metric_of(&layer_result::spectral, &spectral_result::condition_number_at_least),
         .warning = 1e4,
         .critical = 1e5,
         .meaning = "the matrix is ill-conditioned",
         .remedy = "Compare with the baseline: square matrices are so by nature; otherwise look for dependent rows.",
         .baseline = detail::gaussian_condition_number_of,
         .applies = detail::is_matrix,
         .judges_copies = true},
        {.id = "extreme_outliers",
         .label = "extreme outliers",
         .metric_name = "quantization.extreme_outlier_percentage",
         .value = metric_of(&layer_result::quantization, &quantization_sensitivity_result::extreme_outlier_percentage),
         .warning = 1,
         .critical = 10,
         .unit = "%",
         .meaning = "a few large weights set the quantization step of all others",
         .remedy = "Quantize with one scale per row or group, or keep this layer in 16 bits.",
         .baseline = detail::gaussian_extreme_outliers,
         .applies = detail::is_matrix,
         .judges_copies = true,
         .warning_penalty = 15,
         .critical_penalty = 30},
        {.id = "low_stable_rank",
         .label = "stable rank / total rank",
         .metric_name = "spectral.stable_rank / spectral.total_rank",
         .value =
             [](const layer_result& layer) {
                 if (!layer.spectral || !layer.spectral->stable_rank.exists() || layer.spectral->total_rank == 0)
                     return layer.spectral ? layer.spectral->stable_rank : metric::missing("not measured");
                 return metric(layer.spectral->stable_rank.value / static_cast<double>(layer.spectral->total_rank));
             },
         .compare = comparison::below,
         .info = 0.1,
         .meaning = "a few directions carry most of the energy",
         .remedy = "Try a low-rank factorisation, and measure what it loses.",
         .baseline =
             [](const layer_result& layer) {
                 if (!layer.spectral || layer.spectral->total_rank == 0)
                     return metric::missing("not measured");
                 return metric(layer.spectral->gaussian_stable_rank / static_cast<double>(layer.spectral->total_rank));
             },
         .applies = detail::is_matrix,
         .judges_copies = true}};
}

WEIGHTSCOPE_INLINE std::vector<rule> heavy_tail_rules()
{
    std::vector<rule> rules = default_rules();
    const rule tail = {.metric_name = "spectral.heavy_tail.alpha",
                       .value =
                           [](const layer_result& layer) {
                               return layer.spectral && layer.spectral->heavy_tail ? layer.spectral->heavy_tail->fit.alpha
                                                                                   : metric::missing("not measured");
                           },
                       .applies = detail::holds_real_matrix,
                       .explained_by = {"all_zero", "nonfinite", "constant", "low_rank"}};
    rule light = tail, heavy = tail;
    light.id = "light_tail";
    light.label = heavy.label = "power law exponent of the spectrum";
    light.info = 6;
    light.meaning = "the spectrum is nearly that of a random matrix: the layer has learnt little";
    light.remedy = "Train it longer or at a higher rate, or make it smaller.";
    heavy.id = "very_heavy_tail";
    heavy.compare = comparison::below;
    heavy.warning = 2;
    heavy.meaning = "a few directions dominate the spectrum, as in layers that memorise";
    heavy.remedy = "Check the layer for outliers and the model for overfitting.";
    rules.push_back(light);
    rules.push_back(heavy);
    return rules;
}

}  // namespace weightscope
