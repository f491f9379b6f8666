#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_scores.hpp>

namespace weightscope {

namespace detail {

// Σ or max of the scores of each row [shape[0], rest], or of each column of a matrix; NaN wins.
template <class Combine>
std::vector<double> reduce_axis(std::span<const double> scores, const std::vector<std::size_t>& shape, std::size_t axis, const Combine& combine)
{
    const std::size_t rows = shape[0], cols = rows > 0 ? scores.size() / rows : 0;
    const std::size_t rows_at_once = std::max<std::size_t>(chunk_elements / std::max<std::size_t>(cols, 1), 1);
    std::vector<double> result(axis == 0 ? rows : cols);
    if (axis == 0) {
        parallel_for((rows + rows_at_once - 1) / rows_at_once, [&](std::size_t chunk) {
            for (std::size_t r = chunk * rows_at_once; r < std::min(rows, (chunk + 1) * rows_at_once); ++r) {
                constexpr std::size_t width = 8;
                double lanes[width] = {};
                const double* row = scores.data() + r * cols;
                const std::size_t whole = cols - cols % width;
                for (std::size_t c = 0; c < whole; c += width)
                    for (std::size_t l = 0; l < width; ++l)
                        lanes[l] = combine(lanes[l], row[c + l]);
                for (std::size_t c = whole; c < cols; ++c)
                    lanes[c - whole] = combine(lanes[c - whole], row[c]);
                for (std::size_t l = 0; l < width; ++l)
                    result[r] = combine(result[r], lanes[l]);
            }
        });
        return result;
    }
    const auto partials = map_chunks(rows, rows_at_once, [&](std::size_t begin, std::size_t end) {
        std::vector<double> sums(cols);
        for (std::size_t r = begin; r < end; ++r)
            for (std::size_t c = 0; c < cols; ++c)
                sums[c] = combine(sums[c], scores[r * cols + c]);
        return sums;
    });
    for (const std::vector<double>& sums : partials)
        for (std::size_t c = 0; c < cols; ++c)
            result[c] = combine(result[c], sums[c]);
    return result;
}

inline double added_of(double a, double b) { return a + b; }

inline double larger_of(double a, double b) { return a >= b || a != a ? a : b; }

WEIGHTSCOPE_INLINE std::vector<std::vector<slice_place>> slices_by_tensor(const grouped_model& groups)
{
    std::vector<std::vector<slice_place>> result(groups.tensors.size());
    for (std::size_t f = 0; f < groups.families.size(); ++f)
        for (std::size_t s = 0; s < groups.families[f].slices.size(); ++s) {
            const group_slice& slice = groups.families[f].slices[s];
            if (slice.tensors.empty())
                result[slice.tensor].push_back({f, s});
            else
                for (const std::size_t tensor : slice.tensors)
                    result[tensor].push_back({f, s});
        }
    return result;
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> first_groups(const grouped_model& groups)
{
    std::vector<std::size_t> result;
    std::size_t next = 0;
    for (const group_family& family : groups.families) {
        result.push_back(next);
        next += family.unit_count;
    }
    return result;
}

// Adds what one tensor has to the groups.
inline void add_tensor(const grouped_model& groups, const std::vector<slice_place>& places, const std::vector<std::size_t>& first,
                       std::size_t tensor, std::span<const double> scores, bool largest, std::vector<double>& importance)
{
    std::vector<double> by_axis[2];
    const auto combine = largest ? larger_of : added_of;
    for (const slice_place& place : places) {
        const group_slice& slice = groups.families[place.family].slices[place.slice];
        std::vector<double>& reduced = by_axis[slice.axis];
        if (reduced.empty())
            reduced = largest ? reduce_axis(scores, groups.tensors[tensor].shape, slice.axis, [](double a, double b) { return larger_of(a, b); })
                              : reduce_axis(scores, groups.tensors[tensor].shape, slice.axis, [](double a, double b) { return a + b; });
        for (std::size_t u = 0; u < groups.families[place.family].unit_count; ++u) {
            if (!slice.tensors.empty() && slice.tensors[u] != tensor)
                continue;
            double value = 0;
            for (std::size_t c = 0; c < slice.copies; ++c) {
                const group_region region = slice.region(u, c);
                for (std::size_t i = 0; i < region.count; ++i)
                    value = combine(value, reduced[region.first + i]);
            }
            double& sum = importance[first[place.family] + u];
            sum = combine(sum, value);
        }
    }
}

WEIGHTSCOPE_INLINE void finish_group_scores(const grouped_model& groups, group_scores_result& result)
{
    result.scores = result.importance;
    std::size_t next = 0;
    for (const group_family& family : groups.families)
        for (std::size_t u = 0; u < family.unit_count; ++u, ++next) {
            double& importance = result.importance[next];
            if (!std::isfinite(importance)) {
                importance = std::numeric_limits<double>::quiet_NaN();
                ++result.unscored_count;
            }
            result.scores[next] = !result.per_parameter      ? importance
                                  : family.parameters == 0 ? 0
                                                             : importance / static_cast<double>(family.parameters);
        }
}

}  // namespace detail

WEIGHTSCOPE_INLINE group_scores_result score_groups(const grouped_model& groups, const tensor_scorer& scorer, const group_scores_options& options,
                                                    const progress_callback& progress)
{
    group_scores_result result{.reduction = options.reduction, .per_parameter = options.per_parameter};
    result.importance.resize(groups.group_count());
    const auto by_tensor = detail::slices_by_tensor(groups);
    const auto first = detail::first_groups(groups);
    std::size_t count = 0;
    double cost = 0;
    for (std::size_t t = 0; t < by_tensor.size(); ++t)
        if (!by_tensor[t].empty()) {
            ++count;
            cost += static_cast<double>(groups.tensors[t].parameters) + 1000;
        }
    progress_reporter reporter(progress, count, cost);
    for (std::size_t t = 0; t < by_tensor.size(); ++t) {
        const grouped_tensor& tensor = groups.tensors[t];
        if (by_tensor[t].empty())
            continue;
        reporter.begun(tensor.name);
        if (const std::vector<double> scores = scorer(t); !scores.empty()) {
            require(scores.size() == tensor.parameters, "score_groups(groups, scorer): tensor '{}' has {} scores, expected {}",
                    printable(tensor.name), scores.size(), tensor.parameters);
            detail::add_tensor(groups, by_tensor[t], first, t, scores, options.reduction == group_reduction::largest, result.importance);
        }
        reporter.finished(tensor.name, static_cast<double>(tensor.parameters) + 1000);
    }
    std::size_t next = 0;
    for (const group_family& family : groups.families)
        for (std::size_t u = 0; u < family.unit_count; ++u, ++next) {
            double& importance = result.importance[next];
            if (options.reduction == group_reduction::average && family.parameters > 0)
                importance /= static_cast<double>(family.parameters);
            if (options.reduction == group_reduction::vectorised)
                importance = std::fabs(importance);
        }
    detail::finish_group_scores(groups, result);
    return result;
}

}  // namespace weightscope
