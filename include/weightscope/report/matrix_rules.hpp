#pragma once
// Rules about matrices: dead rows and columns, rank, conditioning.

#include <algorithm>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/score_limits.hpp>

namespace weightscope::detail {

// A row of fewer entries may be small by chance.
inline constexpr std::size_t least_unit_length = 4;

// Rows and columns alike: `unit` is the extent that is counted, `length` the other one.
inline rule dead_units_rule(const std::string& units, std::size_t structured_sparsity_result::*dead_count,
                            metric structured_sparsity_result::*dead_percentage, std::size_t matrix_shape::*unit,
                            std::size_t matrix_shape::*length)
{
    return {.id = "dead_" + units,
            .label = "dead " + units,
            .metric_name = fmt::format("sparsity.structured_sparsity.dead_{}_percentage", units),
            .value =
                [=](const layer_result& layer) {
                    const auto dead = dead_units(layer);
                    return dead ? *dead.*dead_percentage : metric::missing("not measured");
                },
            .warning = 0,
            .critical = 10,
            .unit = "%",
            .applies =
                [=](const layer_result& layer) {
                    return holds_matrix_with_zeros(layer) && matrix_shape_of(layer).*length >= least_unit_length;
                },
            .describe =
                [=](const layer_result& layer) {
                    const auto dead = dead_units(layer);
                    return fmt::format("{} of {} {} are dead ({} %)", grouped(*dead.*dead_count),
                                       grouped(matrix_shape_of(layer).*unit), units, figure(*dead.*dead_percentage));
                },
            .explained_by = {"all_zero", "nonfinite"},
            .score_limit = no_excellent};
}

inline rule dead_rows_rule()
{
    rule rows =
        dead_units_rule("rows", &structured_sparsity_result::dead_rows,
                        &structured_sparsity_result::dead_rows_percentage, &matrix_shape::rows, &matrix_shape::cols);
    rows.meaning = "outputs that do not depend on the input";
    rows.remedy = "Prune these outputs together with what reads them.";
    rows.applies = [long_enough = rows.applies](const layer_result& layer) {
        const auto dead = dead_units(layer);
        return long_enough(layer)
               && !(is_embedding(layer) && dead && dead->dead_rows == 1);  // the padding token's, by design
    };
    return rows;
}

inline rule dead_columns_rule()
{
    rule columns =
        dead_units_rule("columns", &structured_sparsity_result::dead_columns,
                        &structured_sparsity_result::dead_columns_percentage, &matrix_shape::cols, &matrix_shape::rows);
    columns.meaning = "inputs that nobody reads";
    columns.remedy = "Prune these inputs together with what produces them.";
    return columns;
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
                    return rank.exists() && available ? metric(rank.value / static_cast<double>(available))
                                                      : metric::missing("no rank");
                },
            .compare = comparison::at_most,
            .warning = 0.5,
            .critical = 0.1,
            .meaning = "half of the directions or more carry nothing",
            .remedy = "Keep it as two factors, or retrain it.",
            .applies =
                [](const layer_result& layer) {
                    return holds_real_matrix(layer)
                           && std::min(matrix_shape_of(layer).rows, matrix_shape_of(layer).cols) >= 4;
                },
            .describe =
                [](const layer_result& layer) {
                    return fmt::format("numerical rank {} of {} possible", figure(layer.spectral->numerical_rank),
                                       available_rank(layer));
                },
            .advise =
                [](const layer_result& layer) {
                    const auto [rows, cols] = matrix_shape_of(layer);
                    const double rank = layer.spectral->numerical_rank.value, break_even = break_even_rank(rows, cols);
                    if (rank >= break_even)
                        return fmt::format("Retrain it; factors would be smaller only below rank {}.",
                                           figure(break_even));
                    return fmt::format(
                        "Keep it as two factors of rank {}, {} numbers instead of {} (worth it below rank {}), or "
                        "retrain it.",
                        figure(rank), grouped(static_cast<std::size_t>(rank) * (rows + cols)), grouped(rows * cols),
                        figure(break_even));
                },
            .explained_by = {"all_zero", "nonfinite", "constant", "bit_flips"},
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
            .remedy =
                "Look for outputs that are sums of others; do not invert, whiten or fine-tune it in low precision "
                "before that.",
            .baseline = gaussian_condition_number_of,
            .applies =
                [](const layer_result& layer) {
                    const metric p =
                        layer.spectral ? layer.spectral->condition_number_p_value : metric::missing("not measured");
                    return holds_real_matrix(layer) && (!p.exists() || p.value < 1e-5);
                },
            .explained_by = {"all_zero", "nonfinite", "constant", "low_rank", "dead_rows", "dead_columns", "bit_flips"}};
}

// An input of norm 1 may come out with norm σ_max. Half precision ends at 65,504: 1e4 leaves room for inputs of norm 6.
inline rule spectral_norm_rule()
{
    return {.id = "spectral_norm",
            .label = "largest singular value",
            .metric_name = "spectral.max_singular_value",
            .value = metric_of(&layer_result::spectral, &spectral_result::max_singular_value),
            .info = 1e3,
            .warning = 1e4,
            .meaning = "one direction is blown up so far that half precision may overflow",
            .remedy = "Run it in bfloat16 or float32, clip the singular value, or look for what made it grow in training.",
            .applies = [](const layer_result& layer) { return holds_real_matrix(layer) && !is_embedding(layer); },
            .explained_by = {"nonfinite", "bit_flips"}};
}

// Of square Gaussian matrices 77 % of the directions carry 99 % of the energy. Two factors are smaller than a square matrix from half
// of the rank down: a quarter halves the layer.
inline rule rank_utilisation_rule()
{
    return {.id = "rank_utilisation",
            .label = "directions that carry 99 % of the energy, share of what rows and columns allow",
            .metric_name = "spectral.rank_99_energy / spectral.total_rank less dead rows and columns",
            .value =
                [](const layer_result& layer) {
                    if (!layer.spectral)
                        return metric::missing("not measured");
                    const std::size_t available = available_rank(layer);
                    return layer.spectral->rank_99_energy.exists() && available
                               ? metric(layer.spectral->rank_99_energy.value / static_cast<double>(available))
                               : metric::missing("no rank");
                },
            .compare = comparison::at_most,
            .info = 0.25,
            .meaning = "most directions carry next to nothing",
            .remedy = "Two factors may do; measure what they lose.",
            .applies =
                [](const layer_result& layer) {
                    return holds_real_matrix(layer) && std::min(matrix_shape_of(layer).rows, matrix_shape_of(layer).cols) >= 16;
                },
            .explained_by = {"all_zero", "nonfinite", "constant", "low_rank", "bit_flips", "outliers", "quantization_sqnr", "rounded_away",
                             "channel_sqnr", "group_sqnr"}};
}

}  // namespace weightscope::detail
