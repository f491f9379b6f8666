#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

struct weight_heatmap_options
{
    std::size_t most_rows = 40;     ///< cells; a cell is a block of the matrix
    std::size_t most_columns = 40;
    bool transposed = false;        ///< the matrix is stored [in, out] and drawn [out, in]
};

namespace detail {

struct weight_block
{
    double sum = 0, max_magnitude = 0;
    std::size_t count = 0, nonfinite_count = 0;

    double average() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

struct weight_blocks
{
    std::size_t rows = 0, columns = 0;  // of the matrix
    std::size_t down = 0, across = 0;   // blocks
    std::vector<weight_block> blocks = {};
    std::vector<double> out_max = {}, in_max = {};  // largest magnitude of each row and column
};

// Row i of the matrix lies in block row i * down / rows. One row of it is in memory at a time.
WEIGHTSCOPE_INLINE weight_blocks blocks_of(const matrix_source& matrix, const weight_heatmap_options& options);

WEIGHTSCOPE_INLINE chart plot_weight_heatmap(const matrix_source& matrix, std::string_view name, const weight_heatmap_options& options);

}  // namespace detail

/// Where in a matrix its weights are large: mean and largest magnitude of a few thousand blocks.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel], with no dimension of 0
/// @param name     of the layer, for the heading
/// @param options  see weight_heatmap_options
/// @return         named "heatmap"
/// @throws std::invalid_argument  rank below 2, a dimension is 0, or an option is 0
/// @note           one pass; entries that are not finite are counted and left out of the figures
template <tensor W>
[[nodiscard]] chart plot_weight_heatmap(const W& weights, std::string_view name, const weight_heatmap_options& options = {})
{
    require(options.most_rows > 0 && options.most_columns > 0,
            "plot_weight_heatmap(weights, name, options): most_rows is {} and most_columns {}, expected 1 or more", options.most_rows, options.most_columns);
    require(weights.size() > 0, "plot_weight_heatmap(weights, name): weights have no entries, expected some");
    return detail::with_matrix(weights, "plot_weight_heatmap(weights, name)",
                               [&](const detail::matrix_source& matrix) { return detail::plot_weight_heatmap(matrix, name, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_weight_heatmap.hpp>
#endif
