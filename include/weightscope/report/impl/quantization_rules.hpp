#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_rules.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/score_limits.hpp>

namespace weightscope::detail {

// The coarsest scale that was measured to help.
inline std::string advice_on_scales(const layer_result& layer)
{
    const quantization_sensitivity_result& q = *layer.quantization;
    const std::string measured =
        fmt::format("measured at {} bits: per row {}, per group of {}: {}", q.bits, decibels(q.per_channel_sqnr_db),
                    q.group_size, decibels(q.group_sqnr_db));
    if (reaches_db(q.per_channel_sqnr_db, good_sqnr_db))
        return fmt::format("Quantize with one scale per row ({}).", measured);
    if (reaches_db(q.group_sqnr_db, good_sqnr_db))
        return fmt::format("Quantize with one scale per group of {} ({}).", q.group_size, measured);
    return fmt::format("Keep this layer in 16 bits, or clip its outliers first ({}).", measured);
}

// What one scale for the tensor does to weights that one scale per row keeps is a warning at most: few quantize with one scale, and
// whoever does can change that.
inline severity worst_of_one_scale(const layer_result& layer)
{
    return layer.quantization && reaches_db(layer.quantization->per_channel_sqnr_db, good_sqnr_db) ? severity::warning
                                                                                                   : severity::critical;
}

// Above this share of zeros the others no longer say how the weights are spread.
inline constexpr double most_zeros_percentage = 25;

WEIGHTSCOPE_INLINE rule outliers_rule()
{
    return {
        .id = "outliers",
        .label = "extreme outliers",
        .metric_name = "quantization.extreme_outlier_percentage",
        .value = metric_of(&layer_result::quantization, &quantization_sensitivity_result::extreme_outlier_percentage),
        .warning = 1,
        .critical = 10,
        .unit = "%",
        .meaning = "a few large weights set the quantization step of all others",
        .remedy = "Quantize with one scale per row or group, clip, or keep this layer in 16 bits.",
        .baseline = gaussian_extreme_outliers,
        .applies =
            [](const layer_result& layer) {
                const metric zeros = zeros_percentage(layer);
                return holds_real_matrix(layer) && layer.parameters >= 1000
                       && !(zeros.exists() && zeros.value > most_zeros_percentage);
            },
        .advise = advice_on_scales,
        .explained_by = {"bit_flips", "channel_sqnr", "group_sqnr"},
        .score_limit = no_excellent,
        .worst = worst_of_one_scale};
}

inline bool quantizes_to_8_bits(const layer_result& layer)
{
    return holds_real_matrix(layer) && (!layer.quantization || layer.quantization->bits == 8);
}

WEIGHTSCOPE_INLINE rule quantization_sqnr_rule()
{
    return {.id = "quantization_sqnr",
            .label = "INT8 per-tensor SQNR",
            .metric_name = "quantization.sqnr_db",
            .value = metric_of(&layer_result::quantization, &quantization_sensitivity_result::sqnr_db),
            .compare = comparison::below,
            .warning = 20,
            .critical = 10,
            .unit = "dB",
            .meaning = "with one scale for the tensor rounding drowns its weights",
            .remedy = "Quantize with one scale per row or group.",
            .baseline = metric_of(&layer_result::quantization, &quantization_sensitivity_result::gaussian_sqnr_db),
            .applies = quantizes_to_8_bits,
            .advise = advice_on_scales,
            .explained_by = {"nonfinite", "all_zero", "constant", "bit_flips", "outliers", "channel_sqnr", "group_sqnr"},
            .score_limit = no_excellent,
            .worst = worst_of_one_scale};
}

// The limits of quantization_sqnr, where scales are as fine as quantizers in use make them: what they do not repair, none does.
inline rule fine_scale_rule(std::string id, std::string label, std::string metric_name, metric quantization_sensitivity_result::*sqnr)
{
    return {.id = std::move(id),
            .label = std::move(label),
            .metric_name = std::move(metric_name),
            .value = metric_of(&layer_result::quantization, sqnr),
            .compare = comparison::below,
            .warning = 20,
            .critical = 10,
            .unit = "dB",
            .applies = quantizes_to_8_bits,
            .advise = advice_on_scales,
            .explained_by = {"nonfinite", "all_zero", "constant", "bit_flips"},
            .score_limit = no_excellent};
}

WEIGHTSCOPE_INLINE rule channel_sqnr_rule()
{
    rule r = fine_scale_rule("channel_sqnr", "INT8 per-row SQNR", "quantization.per_channel_sqnr_db",
                             &quantization_sensitivity_result::per_channel_sqnr_db);
    r.meaning = "even with one scale per row rounding drowns its weights";
    r.remedy = "Quantize with one scale per group.";
    r.explained_by.push_back("group_sqnr");
    return r;
}

WEIGHTSCOPE_INLINE rule group_sqnr_rule()
{
    rule r = fine_scale_rule("group_sqnr", "INT8 per-group SQNR", "quantization.group_sqnr_db",
                             &quantization_sensitivity_result::group_sqnr_db);
    r.meaning = "even with one scale per group rounding drowns its weights";
    r.remedy = "Keep this layer in 16 bits.";
    return r;
}

WEIGHTSCOPE_INLINE rule dynamic_range_rule()
{
    return {.id = "dynamic_range",
            .label = "largest weight / mean magnitude",
            .metric_name = "quantization.dynamic_range",
            .value = metric_of(&layer_result::quantization, &quantization_sensitivity_result::dynamic_range),
            .info = 100,
            .meaning = "a few weights need far more range than the others",
            .remedy = "Quantize with one scale per row or group.",
            .applies =
                [](const layer_result& layer) {
                    const metric zeros = zeros_percentage(layer);
                    return holds_real_matrix(layer) && !(zeros.exists() && zeros.value > most_zeros_percentage);
                },
            .explained_by = {"nonfinite", "all_zero", "constant", "bit_flips", "outliers", "quantization_sqnr", "channel_sqnr",
                             "group_sqnr", "rounded_away"}};
}

WEIGHTSCOPE_INLINE rule rounded_away_rule()
{
    return {.id = "rounded_away",
            .label = "weights that INT8 rounds to 0, at least",
            .metric_name = "sparsity.magnitude_percentiles up to quantization.quantization_scale / 2",
            .value =
                [](const layer_result& layer) {
                    if (!layer.quantization || !layer.sparsity || !layer.quantization->quantization_scale.exists())
                        return metric::missing("not measured");
                    double share = 0;
                    for (const magnitude_percentile& p : layer.sparsity->magnitude_percentiles)
                        if (p.value.exists() && p.value.value <= layer.quantization->quantization_scale.value / 2)
                            share = std::max(share, static_cast<double>(p.percent));
                    return metric(share);
                },
            .compare = comparison::at_least,
            .warning = 50,
            .critical = 90,
            .unit = "%",
            .meaning = "with one scale for the tensor only its largest weights are left",
            .remedy = "Quantize with one scale per row or group, or clip the outliers.",
            .baseline = [](const layer_result&) { return metric(0); },
            .applies =
                [](const layer_result& layer) {
                    const metric zeros = zeros_percentage(layer);
                    return holds_real_matrix(layer) && (!layer.quantization || layer.quantization->bits == 8)
                           && !(zeros.exists() && zeros.value > most_zeros_percentage);
                },
            .advise = advice_on_scales,
            .explained_by = {"nonfinite", "all_zero", "constant", "bit_flips", "outliers", "quantization_sqnr", "channel_sqnr",
                             "group_sqnr"},
            .score_limit = no_excellent};
}

WEIGHTSCOPE_INLINE rule subnormals_rule()
{
    return {.id = "subnormals",
            .label = "subnormal entries",
            .metric_name = "basic_stats.subnormal_count / basic_stats.finite_count",
            .value =
                [](const layer_result& layer) {
                    const auto census = census_of(layer);
                    if (!census || census->finite_count() == 0)
                        return metric::missing("not measured");
                    return metric(100 * static_cast<double>(census->subnormal_count)
                                  / static_cast<double>(census->finite_count()));
                },
            .info = 1,
            .unit = "%",
            .meaning = "weights below the format's normal range have lost digits, and are slow on some processors",
            .remedy = "Rescale the layer, or store it in a format with a wider exponent such as BF16.",
            .applies = [](const layer_result& layer) { return !holds_integers(layer); }};
}

}  // namespace weightscope::detail
