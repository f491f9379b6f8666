#pragma once
// Uniform quantization as one would write it down first: one weight at a time, groups by index arithmetic.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace plain {

using weightscope::scale_granularity;

inline std::size_t group_of(std::size_t i, const std::vector<std::size_t>& shape, const weightscope::scheme& scheme)
{
    std::size_t rows = 1, cols = 1;
    for (std::size_t d = 0; d < shape.size(); ++d)
        (d == 0 && shape.size() > 1 ? rows : cols) *= shape[d];
    const std::size_t row = i / cols, col = i % cols;
    switch (scheme.granularity) {
    case scale_granularity::per_tensor: return 0;
    case scale_granularity::per_group: return row * ((cols + scheme.group_size - 1) / scheme.group_size) + col / scheme.group_size;
    case scale_granularity::per_block:
        return row / scheme.block_rows * ((cols + scheme.block_cols - 1) / scheme.block_cols) + col / scheme.block_cols;
    case scale_granularity::per_channel: break;
    }
    if (shape.size() < 2)
        return 0;
    for (std::size_t d = shape.size(); d-- > scheme.channel_axis + 1;)
        i /= shape[d];
    return i % shape[scheme.channel_axis];
}

struct quantized
{
    std::vector<double> scales, zero_points, codes, decoded, weights;
    std::vector<std::size_t> group;
};

// Scales are those of the whole range, rounded to float. `given`, if any, replaces scales and zero points.
template <class W>
quantized quantize(const W& w, const weightscope::scheme& scheme, const quantized* given = nullptr)
{
    const std::vector<std::size_t> shape(w.shape().begin(), w.shape().end());
    quantized result;
    for (auto it = w.template begin<xt::layout_type::row_major>(); it != w.template end<xt::layout_type::row_major>(); ++it)
        result.weights.push_back(static_cast<double>(*it));
    std::map<std::size_t, std::vector<double>> groups;
    for (std::size_t i = 0; i < result.weights.size(); ++i) {
        result.group.push_back(group_of(i, shape, scheme));
        groups[result.group.back()].push_back(result.weights[i]);
    }
    const int lowest = scheme.lowest_code(), highest = scheme.highest_code();
    for (const auto& [index, group] : groups) {
        const auto [low, high] = std::minmax_element(group.begin(), group.end());
        double smallest = INFINITY, largest = 0, scale = 1, zero_point = 0;
        for (const double x : group) {
            smallest = std::min(smallest, std::fabs(x));
            largest = std::max(largest, std::fabs(x));
        }
        if (largest > 0 && (scheme.symmetric ? smallest == largest : *low == *high)) {
            scale = largest;
        } else if (largest > 0 && scheme.symmetric) {
            scale = static_cast<float>(largest / (scheme.full_range ? highest + 0.5 : highest));
        } else if (largest > 0) {
            scale = static_cast<float>((std::max(*high, 0.0) - std::min(*low, 0.0)) / (highest - lowest));
            zero_point = std::clamp<double>(std::nearbyint(lowest - std::min(*low, 0.0) / scale), lowest, highest);
        }
        result.scales.push_back(given ? given->scales[index] : scale);
        result.zero_points.push_back(given ? given->zero_points[index] : zero_point);
    }
    for (std::size_t i = 0; i < result.weights.size(); ++i) {
        const double z = result.zero_points[result.group[i]];
        const auto scale = static_cast<float>(result.scales[result.group[i]]);
        const float t = static_cast<float>(result.weights[i]) / scale;
        const float r = scheme.rounding == weightscope::rounding_mode::half_away ? std::round(t) : std::nearbyint(t);
        const double code = std::clamp<double>(static_cast<double>(r) + z, lowest, highest);
        result.codes.push_back(code);
        result.decoded.push_back(static_cast<double>(static_cast<float>(code - z) * scale));
    }
    return result;
}

}  // namespace plain
