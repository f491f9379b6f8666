#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/random_stream.hpp>

namespace weightscope {

/// A figure with the interval that resampling gives it.
struct bootstrap_figure
{
    metric value = {};
    metric lower = {};  ///< 2.5th percentile over resamples
    metric upper = {};  ///< 97.5th percentile
};

namespace detail {

WEIGHTSCOPE_INLINE metric spearman(std::span<const double> x, std::span<const double> y);

WEIGHTSCOPE_INLINE metric kendall(std::span<const double> x, std::span<const double> y);

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
[[nodiscard]] WEIGHTSCOPE_INLINE metric spearman_correlation(std::span<const double> x, std::span<const double> y);

/// Kendall's rank correlation τ_b: the share of pairs in the same order less that of pairs in the opposite order.
///
/// @return 1 for the same order, -1 for the opposite, corrected for ties. Missing where one side is constant.
/// @throws std::invalid_argument  there are not as many x as y, or a number is NaN
/// @note   n log n steps, after Knight 1966, doi:10.1080/01621459.1966.10480879
[[nodiscard]] WEIGHTSCOPE_INLINE metric kendall_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/rank_correlation.hpp>
#endif
