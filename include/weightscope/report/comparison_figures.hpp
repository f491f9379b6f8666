#pragma once
// Two scans of one layer side by side.

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

using named_figures = std::vector<std::pair<std::string, metric>>;

// Every figure that is one number, as "spectral.stable_rank".
template <has_fields T>
void collect_figures(named_figures& figures, const T& value, const std::string& prefix)
{
    for_each_field(value, [&]<class V>(std::string_view name, const V& field) {
        const std::string full = prefix + std::string(name);
        if constexpr (std::is_same_v<V, metric>)
            figures.emplace_back(full, field);
        else if constexpr (std::is_same_v<V, whole_metric>)
            figures.emplace_back(full, field.number);
        else if constexpr (std::is_same_v<V, bool>)
            return;
        else if constexpr (std::is_arithmetic_v<V>)
            figures.emplace_back(full, metric(static_cast<double>(field)));
        else if constexpr (has_fields<V>)
            collect_figures(figures, field, full + ".");
    });
}

inline metric missing_of(const metric& a, const metric& b)
{
    return metric::missing(a.exists() ? b.reason : a.reason);
}

inline metric minus(const metric& b, const metric& a)
{
    return a.exists() && b.exists() ? metric(b.value - a.value) : missing_of(a, b);
}

inline metric ratio(const metric& b, const metric& a)
{
    if (!a.exists() || !b.exists())
        return missing_of(a, b);
    return a.value == 0 ? metric::missing("division by 0") : metric(b.value / a.value);
}

inline scan_difference difference_of(const layer_result& a, const layer_result& b)
{
    scan_difference d;
    const auto none = metric::missing("not measured");
    const basic_stats_result no_stats = {};
    const basic_stats_result &x = a.basic_stats ? *a.basic_stats : no_stats, &y = b.basic_stats ? *b.basic_stats : no_stats;
    d.mean_diff = minus(y.mean, x.mean);
    d.std_diff = minus(y.std, x.std);
    d.l2_norm_ratio = ratio(y.l2_norm, x.l2_norm);
    const metric least = minus(y.min, x.min), most = minus(y.max, x.max);
    d.max_abs_change = least.exists() && most.exists() ? metric(std::max(std::fabs(least.value), std::fabs(most.value))) : least;
    const metric mean = d.mean_diff, spread = d.std_diff.exists() ? d.std_diff : metric(0);
    d.change_score = mean.exists() && d.l2_norm_ratio.exists()
                         ? metric(10 * std::fabs(mean.value) + 10 * std::fabs(spread.value) + std::fabs(d.l2_norm_ratio.value - 1))
                         : missing_of(mean, d.l2_norm_ratio);
    d.condition_number_ratio = d.stable_rank_diff = d.stable_rank_ratio = none;
    if (a.spectral && b.spectral) {
        d.condition_number_ratio = ratio(b.spectral->condition_number_at_least, a.spectral->condition_number_at_least);
        d.stable_rank_diff = minus(b.spectral->stable_rank, a.spectral->stable_rank);
        d.stable_rank_ratio = ratio(b.spectral->stable_rank, a.spectral->stable_rank);
    }
    named_figures of_a, of_b;
    collect_figures(of_a, a, "");
    collect_figures(of_b, b, "");
    for (auto& [name, number] : of_a) {
        const auto other = std::find_if(of_b.begin(), of_b.end(), [&name = name](const auto& entry) { return entry.first == name; });
        if (other != of_b.end())
            d.figures.push_back({name, number, other->second});
    }
    return d;
}

}  // namespace weightscope::detail
