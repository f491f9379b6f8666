#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/grid_quantize.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>
#include <weightscope/quantizers/uniform.hpp>

namespace weightscope::detail {

template <class Real, class Code>
strip_report quantize_strip(const strip& s, bool one_group, const scheme& options, const tensor_code& whole, strip_work<Real>& work,
                            Code* codes, quantized_tensor& result)
{
    error_sums signal;
    work.start(s, signal);
    const strip_code<Real> code = work.code_for(s, options, whole);
    std::vector<double> levels(work.count);
    dispatch(round_kernel<Real, void, double>{}, &code, work.x, std::size_t{0}, work.count, levels.data());

    strip_report report;
    const auto& range = work.ranges.of(work.x, work.count, code.group_size, false);
    const auto& replaced = work.reader.non_finite();
    for (const auto& weight : replaced) {
        const std::size_t group = weight.at / code.group_size;
        const Real zero_point = code.zero_point[group];
        report.odd.nan_weights += std::isnan(weight.value);
        report.odd.infinite_weights += std::isinf(weight.value);
        if (std::isinf(weight.value))
            levels[weight.at] = static_cast<double>((weight.value > 0 ? code.highest_code : code.lowest_code) - zero_point);
    }
    for (std::size_t group = 0, next = 0; group < range.low.size(); ++group) {
        const std::size_t end = (group + 1) * code.group_size, before = next;
        while (next < replaced.size() && replaced[next].at < end)
            ++next;
        const auto low = static_cast<double>(range.low[group]), high = static_cast<double>(range.high[group]);
        if (one_group) {
            report.low = low;
            report.high = high;
            continue;
        }
        report_group(low, high, static_cast<double>(code.scale[group]), next > before, options.scale, report.odd);
        result.scales[s.first_group + group] = static_cast<double>(code.scale[group]);
        if (!options.symmetric)
            result.zero_points[s.first_group + group] = static_cast<std::int16_t>(code.zero_point[group]);
    }
    for (std::size_t piece = 0; piece < s.pieces; ++piece)
        s.for_each_part(piece, [&](std::size_t at, std::size_t from, std::size_t count, std::size_t part) {
            const auto zero_point = static_cast<double>(code.zero_point[one_group ? 0 : part]);
            Code* to = codes + s.begin + piece * s.piece_stride + at;
            for (std::size_t i = 0; i < count; ++i)
                to[i] = static_cast<Code>(levels[from + i] + zero_point);
        });
    return report;
}

template <class Real, class Code>
void quantize_into(const weight_source& source, const scheme& options, quantized_tensor& result)
{
    const group_layout layout(result.shape, options, true);
    xt::xarray<Code> codes = xt::xarray<Code>::from_shape(result.shape);
    if (layout.size() == 0) {
        result.codes = std::move(codes);
        return;
    }
    result.scales.resize(layout.group_count());
    result.zero_points.resize(options.symmetric ? 0 : layout.group_count());
    const tensor_code whole = layout.one_group() ? find_tensor_code<Real>(source, options) : tensor_code{};
    per_thread<strip_work<Real>> threads([&] { return strip_work<Real>(source); });
    const auto reports = map_chunks(layout.strip_count(), 1, [&](std::size_t i, std::size_t) {
        return quantize_strip(layout[i], layout.one_group(), options, whole, threads.local(), codes.data(), result);
    });
    strip_report sum;
    for (const strip_report& report : reports) {
        sum.odd += report.odd;
        sum.low = std::min(sum.low, report.low);
        sum.high = std::max(sum.high, report.high);
    }
    if (layout.one_group()) {
        result.scales[0] = whole.code.scale;
        if (!options.symmetric)
            result.zero_points[0] = static_cast<std::int16_t>(whole.code.zero_point);
        report_group(sum.low, sum.high, whole.code.scale, sum.odd.nan_weights + sum.odd.infinite_weights > 0, options.scale, sum.odd);
    }
    result.odd = sum.odd;
    result.codes = std::move(codes);
}

template <class Real>
void quantize_into(const weight_source& source, const scheme& options, quantized_tensor& result)
{
    if (options.bits <= 8)
        quantize_into<Real, std::int8_t>(source, options, result);
    else
        quantize_into<Real, std::int16_t>(source, options, result);
}

WEIGHTSCOPE_INLINE void quantize_into(const weight_source& source, const scheme& options, quantized_tensor& result)
{
    if (!options.plain()) {
        if (source.read_float)
            quantize_grid_into<float>(source, options, result);
        else
            quantize_grid_into<double>(source, options, result);
        return;
    }
    if (options.scale == scale_type::f64 || !source.read_float)
        quantize_into<double>(source, options, result);
    else
        quantize_into<float>(source, options, result);
}

}  // namespace weightscope::detail
