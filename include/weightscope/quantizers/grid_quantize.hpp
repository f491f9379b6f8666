#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/grid_details.hpp>
#include <weightscope/quantizers/grid_pass.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

template <class Real>
strip_report quantize_grid_strip(const strip& s, bool one_group, grid_work<Real>& grid, const scheme& options, std::int8_t* codes, quantized_tensor& result)
{
    error_sums signal;
    grid.start(s, signal);
    std::vector<float> levels(grid.count);
    grid.levels(levels.data());
    strip_report report;
    const auto& replaced = grid.work.reader.non_finite();
    const grid_rounding last = rounding_of(options);
    for (const auto& weight : replaced) {
        const float z = grid.groups.zero[weight.at / grid.group_size];
        report.odd.nan_weights += std::isnan(weight.value);
        report.odd.infinite_weights += std::isinf(weight.value);
        if (std::isinf(weight.value)) {
            const bool up = (weight.value > 0) == !(grid.groups.scale[weight.at / grid.group_size] < 0), integer = options.grid == element_grid::integer;
            levels[weight.at] = integer ? (up ? last.highest : last.lowest) - z : up ? last.largest : -last.largest;
        }
    }
    const auto& range = grid.work.ranges.of(grid.work.x, grid.count, grid.group_size, false);
    for (std::size_t g = 0, next = 0; g < range.low.size(); ++g) {
        const std::size_t end = (g + 1) * grid.group_size, before = next;
        while (next < replaced.size() && replaced[next].at < end)
            ++next;
        const auto low = static_cast<double>(range.low[g]), high = static_cast<double>(range.high[g]);
        const float stored = grid.groups.stored[one_group ? 0 : g];
        report.odd.overflowing_scale += !one_group && !std::isfinite(stored);
        if (one_group) {
            report.low = low;
            report.high = high;
        } else {
            report_group(low, high, std::fabs(static_cast<double>(stored)), next > before, options.scale, report.odd);
        }
        if (one_group && s.begin != 0)
            continue;
        result.scales[s.first_group + g] = static_cast<double>(stored);
        if (options.rules.minimum)
            result.minima[s.first_group + g] = static_cast<double>(grid.groups.added[g]);
        else if (!options.symmetric)
            result.zero_points[s.first_group + g] = static_cast<std::int16_t>(grid.groups.zero[g]);
    }
    for (std::size_t piece = 0; piece < s.pieces; ++piece)
        s.for_each_part(piece, [&](std::size_t at, std::size_t from, std::size_t count, std::size_t part) {
            const float z = grid.groups.zero[one_group ? 0 : part];
            for (std::size_t i = 0; i < count; ++i)
                codes[s.begin + piece * s.piece_stride + at + i] = static_cast<std::int8_t>(code_of_level(levels[from + i], z, options));
        });
    return report;
}

template <class Real>
void quantize_grid_into(const weight_source& source, const scheme& options, quantized_tensor& result)
{
    const group_layout layout(result.shape, options, true);
    xt::xarray<std::int8_t> codes = xt::xarray<std::int8_t>::from_shape(result.shape);
    if (layout.size() > 0) {
        result.scales.resize(layout.group_count());
        result.minima.resize(options.rules.minimum ? layout.group_count() : 0);
        result.zero_points.resize(options.symmetric || options.rules.minimum ? 0 : layout.group_count());
        const grid_tensor tensor = survey_tensor<Real>(source, options);
        result.global_scale = static_cast<double>(tensor.global);
        per_thread<grid_work<Real>> threads([&] { return grid_work<Real>(source, options, tensor); });
        const auto reports = map_chunks(layout.strip_count(), 1, [&](std::size_t i, std::size_t) {
            return quantize_grid_strip(layout[i], layout.one_group(), threads.local(), options, codes.data(), result);
        });
        strip_report sum;
        for (const strip_report& report : reports) {
            sum.odd += report.odd;
            sum.low = std::min(sum.low, report.low);
            sum.high = std::max(sum.high, report.high);
        }
        if (layout.one_group()) {
            sum.odd.overflowing_scale = !std::isfinite(result.scales[0]);
            report_group(sum.low, sum.high, std::fabs(result.scales[0]), sum.odd.nan_weights + sum.odd.infinite_weights > 0, options.scale, sum.odd);
        }
        result.odd = sum.odd;
    }
    result.codes = std::move(codes);
}

}  // namespace weightscope::detail
