#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/column_pass.hpp>
#include <weightscope/quantizers/grid_details.hpp>
#include <weightscope/quantizers/grid_pass.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/simulate_details.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>

namespace weightscope::detail {

// Schemes whose strips and arithmetic are the same go through the weights together.
struct simulate_kind
{
    bool by_rows = false;     // strips of rows serve tensors, outputs and groups
    bool in_double = false;   // decoded in double
    std::size_t alone = 0;    // 1 + index of a scheme with strips of its own

    bool operator==(const simulate_kind&) const = default;
};

inline simulate_kind kind_of(const scheme& options, std::size_t index)
{
    const bool by_rows = options.granularity == scale_granularity::per_tensor || options.granularity == scale_granularity::per_group
                      || (options.granularity == scale_granularity::per_channel && options.channel_axis == 0);
    return {.by_rows = by_rows, .in_double = options.scale == scale_type::f64, .alone = by_rows ? 0 : index + 1};
}

template <class Real, class Decoded>
void simulate_together(const weight_source& source, std::span<const std::size_t> shape, std::span<const scheme> schemes,
                       std::span<const std::size_t> members, const simulate_options& options, std::vector<quantization_error>& results)
{
    // smaller groups first: larger ones are put together from them
    std::vector<std::size_t> order(members.begin(), members.end());
    const auto group_size = [&](std::size_t i) {
        return schemes[i].granularity == scale_granularity::per_group ? schemes[i].group_size : source.size + 1;
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return group_size(a) < group_size(b); });

    std::vector<scheme> chosen;
    std::vector<tensor_code> wholes;
    std::size_t first = 0;  // one that says what a strip is
    for (const std::size_t i : order) {
        const bool whole = schemes[i].granularity == scale_granularity::per_tensor;
        wholes.push_back(whole && source.size > 0 ? find_tensor_code<Real>(source, schemes[i]) : tensor_code{});
        if (!whole && chosen.size() > first && chosen[first].granularity == scale_granularity::per_tensor)
            first = chosen.size();
        chosen.push_back(schemes[i]);
    }
    const group_layout layout(shape, chosen[first], true);
    std::vector<error_sums> sums;
    if (const auto by_columns = chosen.size() == 1 ? simulate_columns(source, shape, chosen[0]) : std::nullopt)
        sums.push_back(*by_columns);
    else
        sums = simulate_strips<Real, Decoded>(source, layout, chosen, wholes);
    for (std::size_t k = 0; k < order.size(); ++k) {
        quantization_error& result = results[order[k]];
        result = summarize_error(sums[k]);
        if (!options.p999 && !options.code_usage && !options.channels && !options.groups)
            continue;
        const group_layout own(shape, chosen[k], false);
        simulated_strips<Real, Decoded> strips(source, own, chosen[k], wholes[k]);
        if (options.p999)
            result.p999_error = error_percentile<Decoded>(strips, 0.999, sums[k].count, sums[k].non_finite_count);
        if (options.code_usage)
            result.codes_used_fraction = codes_used_fraction(strips, chosen[k]);
        if (options.channels || options.groups)
            strips.fill(result.groups, result.channels);
        if (!options.groups)
            result.groups.clear();
        if (!options.channels)
            result.channels.clear();
    }
}

template <class Real>
quantization_error simulate_alone(const weight_source& source, std::span<const std::size_t> shape, const scheme& grid, const simulate_options& options)
{
    const grid_tensor tensor = survey_tensor<Real>(source, grid);
    quantization_error result = summarize_error(simulate_grid<Real>(source, shape, grid, tensor));
    if (source.size == 0 || (!options.p999 && !options.code_usage && !options.channels && !options.groups))
        return result;
    const group_layout layout(shape, grid, false);
    grid_strips<Real> strips(source, layout, grid, tensor);
    if (options.p999)
        result.p999_error = error_percentile<float>(strips, 0.999, result.sums.count, result.sums.non_finite_count);
    if (options.code_usage)
        result.codes_used_fraction = strips.codes_used();
    if (options.channels || options.groups)
        strips.fill(result.groups, result.channels);
    if (!options.groups)
        result.groups.clear();
    if (!options.channels)
        result.channels.clear();
    return result;
}

WEIGHTSCOPE_INLINE std::vector<quantization_error> simulate(const weight_source& source, std::span<const std::size_t> shape,
                                                            std::span<const scheme> schemes, const simulate_options& options)
{
    std::vector<quantization_error> results(schemes.size());
    std::vector<simulate_kind> done;
    for (std::size_t i = 0; i < schemes.size(); ++i) {
        if (!schemes[i].plain()) {
            results[i] = source.read_float ? simulate_alone<float>(source, shape, schemes[i], options)
                                           : simulate_alone<double>(source, shape, schemes[i], options);
            continue;
        }
        const simulate_kind kind = kind_of(schemes[i], i);
        if (std::find(done.begin(), done.end(), kind) != done.end())
            continue;
        done.push_back(kind);
        std::vector<std::size_t> members;
        for (std::size_t j = i; j < schemes.size(); ++j)
            if (schemes[j].plain() && kind_of(schemes[j], j) == kind)
                members.push_back(j);
        if (kind.in_double)
            simulate_together<double, double>(source, shape, schemes, members, options, results);
        else if (source.read_float)
            simulate_together<float, float>(source, shape, schemes, members, options, results);
        else
            simulate_together<double, float>(source, shape, schemes, members, options, results);
    }
    return results;
}

}  // namespace weightscope::detail
