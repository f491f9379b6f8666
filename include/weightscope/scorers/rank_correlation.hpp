#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/random.hpp>

namespace weightscope {

/// A figure with the interval that resampling gives it.
struct bootstrap_figure
{
    metric value = {};
    metric lower = {};  ///< 2.5th percentile over resamples
    metric upper = {};  ///< 97.5th percentile
};

namespace detail {

inline void require_pairs(std::span<const double> x, std::span<const double> y, const char* caller)
{
    require(x.size() == y.size(), "{}: x has {} numbers and y has {}, expected as many", caller, x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        require(!std::isnan(x[i]) && !std::isnan(y[i]), "{}: pair {} is ({}, {}), expected numbers", caller, i, x[i], y[i]);
}

// Ranks from 0; equal numbers share the mean of theirs.
inline std::vector<double> average_ranks(std::span<const double> x)
{
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
    std::vector<double> ranks(x.size());
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        for (end = begin + 1; end < order.size() && x[order[end]] == x[order[begin]]; ++end) {
        }
        for (std::size_t i = begin; i < end; ++i)
            ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    }
    return ranks;
}

inline metric spearman(std::span<const double> x, std::span<const double> y)
{
    if (x.size() < 2)
        return metric::missing("fewer than two pairs");
    const std::vector<double> a = average_ranks(x), b = average_ranks(y);
    const double middle = static_cast<double>(x.size() - 1) / 2;
    double product = 0, a_squares = 0, b_squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        product += (a[i] - middle) * (b[i] - middle);
        a_squares += (a[i] - middle) * (a[i] - middle);
        b_squares += (b[i] - middle) * (b[i] - middle);
    }
    if (a_squares == 0 || b_squares == 0)
        return metric::missing("all numbers are equal");
    return std::clamp(product / std::sqrt(a_squares * b_squares), -1.0, 1.0);
}

// Sorts [begin, end) and returns how many pairs stood in the wrong order.
inline std::uint64_t sort_and_count(std::vector<double>& y, std::vector<double>& work, std::size_t begin, std::size_t end)
{
    if (end - begin < 2)
        return 0;
    const std::size_t middle = begin + (end - begin) / 2;
    std::uint64_t swaps = sort_and_count(y, work, begin, middle) + sort_and_count(y, work, middle, end);
    std::size_t left = begin, right = middle;
    for (std::size_t i = begin; i < end; ++i) {
        const bool from_left = left < middle && (right == end || !(y[right] < y[left]));
        swaps += from_left ? 0 : middle - left;
        work[i] = from_left ? y[left++] : y[right++];
    }
    std::copy(work.begin() + static_cast<std::ptrdiff_t>(begin), work.begin() + static_cast<std::ptrdiff_t>(end),
              y.begin() + static_cast<std::ptrdiff_t>(begin));
    return swaps;
}

// Pairs among equal neighbours of a sorted sequence.
template <class Equal>
std::uint64_t tied_pairs(std::size_t size, const Equal& equal)
{
    std::uint64_t pairs = 0, run = 1;
    for (std::size_t i = 1; i <= size; ++i) {
        if (i < size && equal(i - 1, i)) {
            ++run;
            continue;
        }
        pairs += run * (run - 1) / 2;
        run = 1;
    }
    return pairs;
}

inline metric kendall(std::span<const double> x, std::span<const double> y)
{
    if (x.size() < 2)
        return metric::missing("fewer than two pairs");
    std::vector<std::pair<double, double>> pairs;
    for (std::size_t i = 0; i < x.size(); ++i)
        pairs.emplace_back(x[i], y[i]);
    std::sort(pairs.begin(), pairs.end());
    const auto n = static_cast<std::uint64_t>(pairs.size()), all = n * (n - 1) / 2;
    const std::uint64_t tied_x = tied_pairs(pairs.size(), [&](std::size_t a, std::size_t b) { return pairs[a].first == pairs[b].first; });
    const std::uint64_t tied_both = tied_pairs(pairs.size(), [&](std::size_t a, std::size_t b) { return pairs[a] == pairs[b]; });
    std::vector<double> sorted, work(pairs.size());
    for (const auto& pair : pairs)
        sorted.push_back(pair.second);
    const std::uint64_t discordant = sort_and_count(sorted, work, 0, sorted.size());
    const std::uint64_t tied_y = tied_pairs(sorted.size(), [&](std::size_t a, std::size_t b) { return sorted[a] == sorted[b]; });
    if (tied_x == all || tied_y == all)
        return metric::missing("all numbers are equal");
    const double difference = static_cast<double>(all - tied_x - tied_y + tied_both) - 2 * static_cast<double>(discordant);
    return std::clamp(difference / std::sqrt(static_cast<double>(all - tied_x)) / std::sqrt(static_cast<double>(all - tied_y)), -1.0, 1.0);
}

// figure(x, y) of the pairs, and of `resamples` draws of as many of them with replacement.
template <class Figure>
bootstrap_figure bootstrap(std::span<const double> x, std::span<const double> y, std::size_t resamples, std::uint64_t seed, const Figure& figure)
{
    bootstrap_figure result{.value = figure(x, y), .lower = metric::missing("not resampled"), .upper = metric::missing("not resampled")};
    if (!result.value.exists() || resamples == 0)
        return result;
    random_stream random(seed);
    std::vector<double> a(x.size()), b(x.size()), values;
    for (std::size_t r = 0; r < resamples; ++r) {
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto drawn = static_cast<std::size_t>(random.below(x.size()));
            a[i] = x[drawn];
            b[i] = y[drawn];
        }
        if (const metric value = figure(std::span<const double>(a), std::span<const double>(b)); value.exists())
            values.push_back(value.value);
    }
    if (values.empty())
        return result;
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) {
        const double place = share * static_cast<double>(values.size() - 1);
        const auto below = static_cast<std::size_t>(place);
        const std::size_t above = std::min(below + 1, values.size() - 1);
        return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
    };
    result.lower = at(0.025);
    result.upper = at(0.975);
    return result;
}

}  // namespace detail

/// Spearman's rank correlation: how far one ranking tells the other.
///
/// @return 1 for the same order, -1 for the opposite; equal numbers share the mean of their ranks. Missing where one side is constant.
/// @throws std::invalid_argument  there are not as many x as y, or a number is NaN
[[nodiscard]] inline metric spearman_correlation(std::span<const double> x, std::span<const double> y)
{
    detail::require_pairs(x, y, "spearman_correlation(x, y)");
    return detail::spearman(x, y);
}

/// Kendall's rank correlation τ_b: the share of pairs in the same order less that of pairs in the opposite order.
///
/// @return 1 for the same order, -1 for the opposite, corrected for ties. Missing where one side is constant.
/// @throws std::invalid_argument  there are not as many x as y, or a number is NaN
/// @note   n log n steps, after Knight 1966, doi:10.1080/01621459.1966.10480879
[[nodiscard]] inline metric kendall_correlation(std::span<const double> x, std::span<const double> y)
{
    detail::require_pairs(x, y, "kendall_correlation(x, y)");
    return detail::kendall(x, y);
}

}  // namespace weightscope
