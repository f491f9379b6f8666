#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE double break_even_rank(std::size_t rows, std::size_t cols)
{
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    return m + n > 0 ? m * n / (m + n) : 0;
}

namespace detail {

WEIGHTSCOPE_INLINE matrix_shape matrix_shape_of(const layer_result& layer)
{
    if (layer.spectral)
        return {layer.spectral->rows, layer.spectral->cols};
    if (layer.shape.size() < 2 || layer.shape[0] == 0)
        return {0, 0};
    const std::size_t rows = layer.shape[0], cols = layer.parameters / rows;
    return layer.transposed ? matrix_shape{cols, rows} : matrix_shape{rows, cols};
}

WEIGHTSCOPE_INLINE bool holds_numbers(const layer_result& layer)
{
    return layer.skipped.empty()
           && std::find(layer.shape.begin(), layer.shape.end(), std::size_t{0}) == layer.shape.end();
}

WEIGHTSCOPE_INLINE bool is_matrix(const layer_result& layer)
{
    return layer.shape.size() >= 2;
}

WEIGHTSCOPE_INLINE bool holds_integers(const layer_result& layer)
{
    const auto type = parse_dtype(layer.dtype);
    return type && *type >= dtype::int8 && *type <= dtype::uint64;
}

WEIGHTSCOPE_INLINE bool holds_real_matrix(const layer_result& layer)
{
    return is_matrix(layer) && !holds_integers(layer);
}

WEIGHTSCOPE_INLINE bool holds_matrix_with_zeros(const layer_result& layer)
{
    return is_matrix(layer) && (!holds_integers(layer) || parse_dtype(layer.dtype) == dtype::int8);
}

WEIGHTSCOPE_INLINE std::optional<value_census> census_of(const layer_result& layer)
{
    return layer.census || !layer.basic_stats ? layer.census : layer.basic_stats->census;
}

WEIGHTSCOPE_INLINE metric zeros_percentage(const layer_result& layer)
{
    if (layer.basic_stats)
        return layer.basic_stats->zeros_percentage;
    if (layer.sparsity)
        for (const sparsity_level& level : layer.sparsity->sparsity_levels)
            if (level.threshold == 0)
                return level.percentage;
    if (layer.census && layer.census->finite_count() > 0)
        return 100 * static_cast<double>(layer.census->zero_count) / static_cast<double>(layer.census->finite_count());
    return metric::missing("not measured");
}

WEIGHTSCOPE_INLINE metric max_magnitude(const layer_result& layer)
{
    if (layer.quantization)
        return layer.quantization->abs_max;
    if (layer.basic_stats && layer.basic_stats->min.exists())
        return std::max(std::fabs(layer.basic_stats->min.value), std::fabs(layer.basic_stats->max.value));
    return metric::missing("not measured");
}

WEIGHTSCOPE_INLINE bool dead_means_dead(const layer_result& layer)
{
    const metric largest = max_magnitude(layer);
    return !largest.exists() || largest.value >= 1e3 * dead_magnitude || largest.value == 0;
}

WEIGHTSCOPE_INLINE std::optional<structured_sparsity_result> dead_units(const layer_result& layer)
{
    return layer.sparsity && dead_means_dead(layer) ? layer.sparsity->structured_sparsity : std::nullopt;
}

WEIGHTSCOPE_INLINE std::size_t available_rank(const layer_result& layer)
{
    const auto [rows, cols] = matrix_shape_of(layer);
    const structured_sparsity_result dead = dead_units(layer).value_or(structured_sparsity_result{});
    return std::min(rows - std::min(rows, dead.dead_rows), cols - std::min(cols, dead.dead_columns));
}

WEIGHTSCOPE_INLINE metric gaussian_condition_number_of(const layer_result& layer)
{
    return layer.spectral && layer.spectral->gaussian_condition_number >= 1
               ? metric(layer.spectral->gaussian_condition_number)
               : metric::missing("not measured");
}

WEIGHTSCOPE_INLINE metric gaussian_extreme_outliers(const layer_result&)
{
    return 0.00023;
}

WEIGHTSCOPE_INLINE bool reaches_db(const metric& sqnr_db, double limit)
{
    return sqnr_db.exists() ? sqnr_db.value >= limit : sqnr_db.reason == "exact";
}

WEIGHTSCOPE_INLINE std::string_view last_part(std::string_view name)
{
    const std::size_t separator = name.find_last_of("./");
    return separator == std::string_view::npos ? name : name.substr(separator + 1);
}

WEIGHTSCOPE_INLINE bool is_bias(const layer_result& layer)
{
    const std::string_view part = last_part(layer.name);
    return layer.shape.size() == 1
           && (part == "b" || part == "beta" || part.starts_with("bias") || part.ends_with("_b")
               || part.ends_with("bias"));
}

WEIGHTSCOPE_INLINE bool is_norm_gain(const layer_result& layer)
{
    const std::string_view part = last_part(layer.name);
    return layer.shape.size() == 1
           && (part == "weight" || part == "w" || part == "gamma" || part == "gain" || part == "scale" || part == "g");
}

WEIGHTSCOPE_INLINE bool is_embedding(const layer_result& layer)
{
    return layer.name.find("emb") != std::string::npos || layer.name.find("wte") != std::string::npos
           || layer.name.find("wpe") != std::string::npos;
}

}  // namespace detail

}  // namespace weightscope
