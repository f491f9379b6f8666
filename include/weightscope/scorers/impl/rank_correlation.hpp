#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/rank_correlation.hpp>

namespace weightscope {

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

WEIGHTSCOPE_INLINE metric spearman(std::span<const double> x, std::span<const double> y)
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

WEIGHTSCOPE_INLINE metric kendall(std::span<const double> x, std::span<const double> y)
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

}  // namespace detail

WEIGHTSCOPE_INLINE metric spearman_correlation(std::span<const double> x, std::span<const double> y)
{
    detail::require_pairs(x, y, "spearman_correlation(x, y)");
    return detail::spearman(x, y);
}

WEIGHTSCOPE_INLINE metric kendall_correlation(std::span<const double> x, std::span<const double> y)
{
    detail::require_pairs(x, y, "kendall_correlation(x, y)");
    return detail::kendall(x, y);
}

}  // namespace weightscope
