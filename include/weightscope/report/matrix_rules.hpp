#pragma once
// Rules about matrices: dead units, rank, conditioning, outliers, quantization, sparsity.

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/integrity_rules.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// From this SQNR on a quantized layer is called good: 0.1 % of its energy is error.
inline constexpr double good_sqnr_db = 30;

namespace detail {

// A row of fewer entries may be small by chance.
inline constexpr std::size_t least_unit_length = 4;

inline rule dead_rows_rule()
{
    return {.id = "dead_rows",
            .label = "dead rows",
            .metric_name = "sparsity.structured_sparsity.dead_rows_percentage",
            .value =
                [](const layer_result& layer) {
                    const auto dead = dead_units(layer);
                    return dead ? dead->dead_rows_percentage : metric::missing("not measured");
                },
            .warning = 0,
            .critical = 10,
            .unit = "%",
            .meaning = "outputs that do not depend on the input",
            .remedy = "Prune these outputs together with what reads them.",
            .applies =
                [](const layer_result& layer) {
                    const auto dead = dead_units(layer);
                    const bool padding_row = is_embedding(layer) && dead && dead->dead_rows == 1;  // of the padding token, by design
                    return holds_matrix_with_zeros(layer) && matrix_shape_of(layer).cols >= least_unit_length && !padding_row;
                },
            .describe =
                [](const layer_result& layer) {
                    const structured_sparsity_result dead = *dead_units(layer);
                    return fmt::format("{} of {} rows are dead ({} %)", grouped(dead.dead_rows), grouped(matrix_shape_of(layer).rows),
                                       figure(dead.dead_rows_percentage));
                },
            .explained_by = {"all_zero", "nonfinite"},
            .score_limit = no_excellent};
}

inline rule dead_columns_rule()
{
    return {.id = "dead_columns",
            .label = "dead columns",
            .metric_name = "sparsity.structured_sparsity.dead_columns_percentage",
            .value =
                [](const layer_result& layer) {
                    const auto dead = dead_units(layer);
                    return dead ? dead->dead_columns_percentage : metric::missing("not measured");
                },
            .warning = 0,
            .critical = 10,
            .unit = "%",
            .meaning = "inputs that nobody reads",
            .remedy = "Prune these inputs together with what produces them.",
            .applies = [](const layer_result& layer) { return holds_matrix_with_zeros(layer) && matrix_shape_of(layer).rows >= least_unit_length; },
            .describe =
                [](const layer_result& layer) {
                    const structured_sparsity_result dead = *dead_units(layer);
                    return fmt::format("{} of {} columns are dead ({} %)", grouped(dead.dead_columns), grouped(matrix_shape_of(layer).cols),
                                       figure(dead.dead_columns_percentage));
                },
            .explained_by = {"all_zero", "nonfinite"},
            .score_limit = no_excellent};
}

inline rule low_rank_rule()
{
    return {.id = "low_rank",
            .label = "numerical rank, share of what rows and columns allow",
            .metric_name = "spectral.numerical_rank / spectral.total_rank less dead rows and columns",
            .value =
                [](const layer_result& layer) {
                    if (!layer.spectral)
                        return metric::missing("not measured");
                    const metric& rank = layer.spectral->numerical_rank;
                    const std::size_t available = available_rank(layer);
                    return rank.exists() && available ? metric(rank.value / static_cast<double>(available)) : metric::missing("no rank");
                },
            .compare = comparison::at_most,
            .warning = 0.5,
            .critical = 0.1,
            .meaning = "most directions carry nothing",
            .remedy = "Keep it as two factors, or retrain it.",
            .applies = [](const layer_result& layer) { return holds_real_matrix(layer) && std::min(matrix_shape_of(layer).rows, matrix_shape_of(layer).cols) >= 4; },
            .describe =
                [](const layer_result& layer) {
                    return fmt::format("numerical rank {} of {} possible", figure(layer.spectral->numerical_rank), available_rank(layer));
                },
            .advise =
                [](const layer_result& layer) {
                    const auto [rows, cols] = matrix_shape_of(layer);
                    const double rank = layer.spectral->numerical_rank.value, break_even = break_even_rank(rows, cols);
                    if (rank >= break_even)
                        return fmt::format("Retrain it; factors would be smaller only below rank {}.", figure(break_even));
                    return fmt::format("Keep it as two factors of rank {}, {} numbers instead of {} (worth it below rank {}), or retrain it.", figure(rank),
                                       grouped(static_cast<std::size_t>(rank) * (rows + cols)), grouped(rows * cols), figure(break_even));
                },
            .explained_by = {"all_zero", "nonfinite", "constant"},
            .score_limit = no_excellent};
}

// A lone small σ is harmless to the forward pass, so there is no critical limit. 10,000 times the Gaussian's: trained layers reach
// 150 times (GPT-2's 768 x 3072), tall embeddings 3,000 times (its 50257 x 768). For square matrices the p-value is the stricter test.
inline rule near_singular_rule()
{
    return {.id = "near_singular",
            .label = "condition number",
            .metric_name = "spectral.condition_number_at_least",
            .value = metric_of(&layer_result::spectral, &spectral_result::condition_number_at_least),
            .warning = 1e4,
            .times_baseline = true,
            .meaning = "some direction is all but lost, and not by chance",
            .remedy = "Look for outputs that are sums of others; do not invert, whiten or fine-tune it in low precision before that.",
            .baseline =
                [](const layer_result& layer) {
                    return layer.spectral && layer.spectral->gaussian_condition_number >= 1 ? metric(layer.spectral->gaussian_condition_number)
                                                                                            : metric::missing("not measured");
                },
            .applies =
                [](const layer_result& layer) {
                    const metric p = layer.spectral ? layer.spectral->condition_number_p_value : metric::missing("not measured");
                    return holds_real_matrix(layer) && (!p.exists() || p.value < 1e-5);
                },
            .explained_by = {"all_zero", "nonfinite", "constant", "low_rank", "dead_rows", "dead_columns"}};
}

// The coarsest scale that was measured to help.
inline std::string advice_on_scales(const layer_result& layer)
{
    const quantization_sensitivity_result& q = *layer.quantization;
    const std::string measured =
        fmt::format("per row {}, per groups of {} {}", decibels(q.per_channel_sqnr_db), q.group_size, decibels(q.group_sqnr_db));
    if (reaches_db(q.per_channel_sqnr_db, good_sqnr_db))
        return fmt::format("Quantize with one scale per row (measured: {}).", measured);
    if (reaches_db(q.group_sqnr_db, good_sqnr_db))
        return fmt::format("Quantize with one scale per group of {} (measured: {}).", q.group_size, measured);
    return fmt::format("Keep this layer in 16 bits, or clip its outliers first (measured: {}).", measured);
}

// Above this share of zeros the others no longer say how the weights are spread.
inline constexpr double most_zeros_percentage = 25;

// Where more than a quarter of the weights are zero the quartiles close in and any weight looks extreme: with a third of a Gaussian
// set to zero 1.7 % lie beyond 3 IQR. Below 1,000 weights a single one is too large a share.
inline rule outliers_rule()
{
    return {.id = "outliers",
            .label = "extreme outliers",
            .metric_name = "quantization.extreme_outlier_percentage",
            .value = metric_of(&layer_result::quantization, &quantization_sensitivity_result::extreme_outlier_percentage),
            .warning = 1,
            .critical = 10,
            .unit = "%",
            .meaning = "a few large weights set the quantization step of all others",
            .remedy = "Quantize with one scale per row or group, clip, or keep this layer in 16 bits.",
            .baseline = [](const layer_result&) { return metric(0.00023); },  // 2 (1 - Φ(7 · 0.6745))
            .applies =
                [](const layer_result& layer) {
                    const metric zeros = zeros_percentage(layer);
                    return holds_real_matrix(layer) && layer.parameters >= 1000 && !(zeros.exists() && zeros.value > most_zeros_percentage);
                },
            .advise = advice_on_scales,
            .score_limit = no_excellent};
}

inline rule quantization_sqnr_rule()
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
            .applies = [](const layer_result& layer) { return holds_real_matrix(layer) && (!layer.quantization || layer.quantization->bits == 8); },
            .advise = advice_on_scales,
            .explained_by = {"nonfinite", "all_zero", "constant", "outliers"},
            .score_limit = no_excellent};
}

// The SQNR alone does not tell: once the largest weight is so large that all others round to 0, making it larger still raises the
// SQNR, whose signal it is.
inline rule rounded_away_rule()
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
            .explained_by = {"nonfinite", "all_zero", "constant", "outliers", "quantization_sqnr"},
            .score_limit = no_excellent};
}

inline rule subnormals_rule()
{
    return {.id = "subnormals",
            .label = "subnormal entries",
            .metric_name = "basic_stats.subnormal_count / basic_stats.finite_count",
            .value =
                [](const layer_result& layer) {
                    if (!layer.basic_stats || layer.basic_stats->census.finite_count() == 0)
                        return metric::missing("not measured");
                    const value_census& census = layer.basic_stats->census;
                    return metric(100 * static_cast<double>(census.subnormal_count) / static_cast<double>(census.finite_count()));
                },
            .info = 1,
            .unit = "%",
            .meaning = "weights below the format's normal range have lost digits, and are slow on some processors",
            .remedy = "Rescale the layer, or store it in a format with a wider exponent such as BF16.",
            .applies = [](const layer_result& layer) { return !holds_integers(layer); }};
}

inline rule sparse_rule()
{
    return {.id = "sparse",
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

}  // namespace detail

}  // namespace weightscope
