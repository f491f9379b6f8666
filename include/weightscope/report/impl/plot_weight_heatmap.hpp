#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/report/chart_cells.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/plot_weight_heatmap.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE weight_blocks blocks_of(const matrix_source& matrix, const weight_heatmap_options& options)
{
    const bool turned = options.transposed;
    weight_blocks result{.rows = turned ? matrix.cols : matrix.rows, .columns = turned ? matrix.rows : matrix.cols};
    result.down = std::min(result.rows, options.most_rows);
    result.across = std::min(result.columns, options.most_columns);
    result.blocks.resize(result.down * result.across);
    result.out_max.resize(result.rows);
    result.in_max.resize(result.columns);
    std::vector<double> row(matrix.cols);
    std::vector<std::size_t> place(matrix.cols);  // what an entry's stored column adds to the index of its block
    for (std::size_t j = 0; j < matrix.cols; ++j)
        place[j] = turned ? j * result.down / result.rows * result.across : j * result.across / result.columns;
    for (std::size_t i = 0; i < matrix.rows; ++i) {
        matrix.elements.read_double(matrix.elements.data, i * matrix.cols, matrix.cols, row.data());
        const std::size_t first = turned ? i * result.across / result.columns : i * result.down / result.rows * result.across;
        std::vector<double>& column_max = turned ? result.out_max : result.in_max;
        double row_max = 0;
        for (std::size_t j = 0; j < matrix.cols; ++j) {
            weight_block& block = result.blocks[first + place[j]];
            const double magnitude = std::isfinite(row[j]) ? std::fabs(row[j]) : std::numeric_limits<double>::infinity();
            row_max = std::max(row_max, magnitude);
            column_max[j] = std::max(column_max[j], magnitude);
            if (!std::isfinite(row[j])) {
                ++block.nonfinite_count;
                continue;
            }
            ++block.count;
            block.sum += row[j];
            block.max_magnitude = std::max(block.max_magnitude, magnitude);
        }
        (turned ? result.in_max : result.out_max)[i] = row_max;
    }
    return result;
}

// A strip along one side of the map: bands of rows or columns, those with dead ones in red.
inline void draw_dead_bands(svg_picture& picture, const svg_box& strip, std::span<const double> largest, std::size_t bands, bool upright)
{
    const double length = (upright ? strip.height : strip.width) / static_cast<double>(bands);
    for (std::size_t b = 0; b < bands; ++b) {
        const std::size_t from = (b * largest.size() + bands - 1) / bands, to = ((b + 1) * largest.size() + bands - 1) / bands;
        const auto dead = std::count_if(largest.begin() + static_cast<std::ptrdiff_t>(from), largest.begin() + static_cast<std::ptrdiff_t>(to),
                                        [](double w) { return w <= dead_magnitude; });
        const double begin = length * static_cast<double>(b);
        picture.rectangle(upright ? svg_box{strip.x, strip.y + begin, strip.width, length} : svg_box{strip.x + begin, strip.y, length, strip.height},
                          dead > 0 ? chart_colors::vermilion : chart_colors::missing,
                          fmt::format("{} {} to {}: {} dead", upright ? "outputs" : "inputs", from, to - 1, dead));
    }
}

inline void draw_weight_blocks(svg_picture& picture, const svg_box& area, const weight_blocks& w, bool averages)
{
    double most = 0;
    for (const weight_block& block : w.blocks)
        most = std::max(most, averages ? std::fabs(block.average()) : block.max_magnitude);
    const double span = most > 0 ? most : 1, width = area.width / static_cast<double>(w.across), height = area.height / static_cast<double>(w.down);
    picture.text({area.x, area.y - 8}, averages ? "mean of each block" : "largest magnitude of each block", {.size = 12, .bold = true});
    for (std::size_t i = 0; i < w.down; ++i)
        for (std::size_t j = 0; j < w.across; ++j) {
            const weight_block& block = w.blocks[i * w.across + j];
            const double value = averages ? block.average() : block.max_magnitude;
            const std::size_t out = (i * w.rows + w.down - 1) / w.down, in = (j * w.columns + w.across - 1) / w.across;
            const std::string broken = block.nonfinite_count ? fmt::format(", {} not finite", block.nonfinite_count) : std::string();
            const std::string title = fmt::format("outputs from {}, inputs from {}: {:.3g}{}", out, in, value, broken);
            const std::string color = block.nonfinite_count ? std::string(chart_colors::black)
                                      : averages            ? chart_colors::diverging(0.5 + value / span / 2)
                                                            : chart_colors::sequential(value / span);
            picture.rectangle({area.x + width * static_cast<double>(j), area.y + height * static_cast<double>(i), width, height}, color, title);
        }
    draw_dead_bands(picture, {area.right() + 3, area.y, 7, area.height}, w.out_max, w.down, true);
    draw_dead_bands(picture, {area.x, area.bottom() + 3, area.width, 7}, w.in_max, w.across, false);
    picture.text({area.x + area.width / 2, area.bottom() + 23}, "inputs", {.anchor = svg_anchor::middle, .color = chart_colors::faint});
    picture.text({area.x - 8, area.y + area.height / 2}, "outputs", {.anchor = svg_anchor::middle, .color = chart_colors::faint, .upwards = true});
    const double low = averages ? -span : 0;
    const chart_axis axis{.low = low, .high = span, .ticks = {{low, fmt::format("{:.3g}", low)}, {span, fmt::format("{:.3g}", span)}}};
    draw_color_bar(picture, {area.x + area.width / 2 - 80, area.bottom() + 32, 160, 9}, axis, "",
                   averages ? chart_colors::diverging : chart_colors::sequential);
}

WEIGHTSCOPE_INLINE chart plot_weight_heatmap(const matrix_source& matrix, std::string_view name, const weight_heatmap_options& options)
{
    const weight_blocks w = blocks_of(matrix, options);
    csv_table table({"block_row", "block_column", "mean", "max_magnitude", "nonfinite_count"});
    for (std::size_t i = 0; i < w.blocks.size(); ++i)
        table.add({fmt::format("{}", i / w.across), fmt::format("{}", i % w.across), csv_table::cell(w.blocks[i].average()),
                   csv_table::cell(w.blocks[i].max_magnitude), fmt::format("{}", w.blocks[i].nonfinite_count)});
    svg_picture picture({1000, 560}, name);
    picture.text({20, 28}, fitting_text(fmt::format("Weights of {}", name), 960, 16), {.size = 16, .bold = true});
    picture.text({20, 46},
                 fmt::format("outputs {}, inputs {}, as {} x {} blocks; black: entries that are not finite; red along the sides: dead outputs and inputs",
                             w.rows, w.columns, w.down, w.across),
                 {.color = chart_colors::faint});
    draw_weight_blocks(picture, {40, 90, 430, 400}, w, true);
    draw_weight_blocks(picture, {550, 90, 430, 400}, w, false);
    return {"heatmap", "where in the matrix the weights are large", picture.text(), table.text()};
}

}  // namespace weightscope::detail
