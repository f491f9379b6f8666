#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/grid_numbers.hpp>
#include <weightscope/quantizers/grid_search.hpp>
#include <weightscope/quantizers/grid_work.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>

namespace weightscope::detail {

// What the scheme's search makes of the extremes of a tensor of one group.
template <class Real>
void search_tensor_range(const weight_source& source, const scheme& options, grid_tensor& tensor)
{
    const std::size_t shape[] = {source.size};
    const group_layout layout(shape, options, true);
    if (options.search == range_search::percentile) {
        std::vector<double> weights = to_doubles(source);
        std::erase_if(weights, [](double w) { return !std::isfinite(w); });
        if (!weights.empty())
            take_inner_range(weights.data(), weights.size(), options, tensor.low, tensor.high);
        return;
    }
    const grid_tensor whole = tensor;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t trial = 0; trial < grid_range_count; ++trial) {
        grid_tensor other = whole;
        other.low *= grid_range_factor(trial);
        other.high *= grid_range_factor(trial);
        per_thread<grid_work<Real>> threads([&] { return grid_work<Real>(source, options, other); });
        const auto partials = map_chunks(layout.strip_count(), 8, [&](std::size_t begin, std::size_t end) {
            double sum = 0;
            grid_work<Real>& grid = threads.local();
            for (std::size_t i = begin; i < end; ++i) {
                error_sums signal;
                grid.start(layout[i], signal);
                sum += grid.sums_of_groups([&](double error) { return grid_objective(error, options); })[0];
            }
            return sum;
        });
        double sum = 0;
        for (const double part : partials)
            sum += part;
        if (sum < least) {
            least = sum;
            tensor = other;
        }
    }
}

template <class Real>
grid_tensor survey_tensor(const weight_source& source, const scheme& options)
{
    grid_tensor result;
    const bool one_group = options.granularity == scale_granularity::per_tensor, two_levels = options.rules.global != global_scale::none;
    if (source.size == 0 || !(one_group || two_levels))
        return result;
    const tensor_code whole = find_tensor_code<Real>(source, scheme_for_ranges(options, scale_needs_magnitude_only(options)));
    result.low = static_cast<float>(whole.low);
    result.high = static_cast<float>(whole.high);
    if (two_levels)
        result.global = global_scale_of(result.high, options);
    if (one_group && options.rules.base == scale_base::signed_largest && -result.low == result.high) {
        const std::vector<double> weights = to_doubles(source);
        const auto end = std::find_if(weights.begin(), weights.end(), [&](double w) { return std::fabs(w) == whole.high; });
        result.low = end != weights.end() && *end > 0 ? 0 : result.low;
    }
    if (one_group && options.search != range_search::whole)
        search_tensor_range<Real>(source, options, result);
    return result;
}

[[gnu::noinline]] inline void add_exactly(const double* x, const float* decoded, std::size_t count, error_sums& sums)
{
    double wide[rounded_at_once];
    dispatch(widen_kernel<float>{}, decoded, count, +wide);
    dispatch(error_kernel{}, x, static_cast<const double*>(wide), count, &sums);
}

[[gnu::noinline]] inline void add_exactly(const float* x, const float* decoded, std::size_t count, error_sums& sums)
{
    double wide[rounded_at_once];
    dispatch(widen_kernel<float>{}, x, count, +wide);
    add_exactly(static_cast<const double*>(wide), decoded, count, sums);
}

// Weights that are not 0 and are decoded to 0. Where zeros are decoded to zeros the zeros before and after tell as much.
template <class Real>
std::size_t flushed_among(const Real* x, const float* decoded, std::size_t count)
{
    std::size_t flushed = 0;
    for (std::size_t i = 0; i < count; ++i)
        flushed += x[i] != 0 && decoded[i] == 0;
    return flushed;
}

template <class Real>
error_sums simulate_grid_strip(const grid_work<Real>& grid, const error_sums& signal, const float* ahead, bool quick)
{
    const bool zeros_move = grid.moves_zeros() && signal.flushed_count > 0;
    error_sums errors;
    if (quick && !zeros_move && grid.add_quickly(signal, ahead, errors))
        return with_signal(errors, signal);
    std::size_t flushed = 0;
    for_each_piece(grid.count, grid.group_size, [&](std::size_t begin, std::size_t size) {
        float decoded[rounded_at_once];
        errors.clipped_count += grid.decode(begin, size, decoded);
        add_exactly(grid.work.x + begin, decoded, size, errors);
        if (zeros_move)
            flushed += flushed_among(grid.work.x + begin, decoded, size);
    });
    error_sums result = with_signal(errors, signal);
    if (zeros_move)
        result.flushed_count = flushed;
    return result;
}

template <class Real>
error_sums simulate_grid(const weight_source& source, std::span<const std::size_t> shape, const scheme& options, const grid_tensor& tensor)
{
    const group_layout layout(shape, options, true);
    per_thread<grid_work<Real>> threads([&] { return grid_work<Real>(source, options, tensor); });
    const bool quick = source.size >= quick_sums_from;
    const std::size_t strips_per_chunk = std::max<std::size_t>(1, chunk_elements / layout.typical_strip_size());
    const auto partials = map_chunks(layout.strip_count(), strips_per_chunk, [&](std::size_t begin, std::size_t end) {
        error_sums sums;
        grid_work<Real>& grid = threads.local();
        for (std::size_t i = begin; i < end; ++i) {
            const strip s = layout[i], next = layout[i + 1 < end ? i + 1 : i];
            const float* ahead = nullptr;
            if constexpr (sizeof(Real) == sizeof(float))
                ahead = i + 1 < end && next.size() == s.size() ? grid.work.reader.place_of(next) : nullptr;
            error_sums signal;
            grid.start(s, signal, quick);
            sums += simulate_grid_strip(grid, signal, ahead, quick);
        }
        return sums;
    });
    error_sums result;
    for (const error_sums& part : partials)
        result += part;
    return result;
}

}  // namespace weightscope::detail
