#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_axis.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE double chart_axis::share(double value) const
{
    const double at = logarithmic ? (std::log10(std::max(value, low)) - std::log10(low)) / (std::log10(high) - std::log10(low))
                                  : (value - low) / (high - low);
    return at > 0 ? at < 1 ? at : 1 : 0;
}

namespace detail {

WEIGHTSCOPE_INLINE std::string tick_label(double value)
{
    const double magnitude = std::fabs(value);
    if (magnitude != 0 && (magnitude >= 1e5 || magnitude < 1e-3)) {
        std::string text = fmt::format("{:.3g}", value);  // 1e+05, 2.5e-07
        const std::size_t e = text.find('e');
        if (e == std::string::npos)
            return text;
        const std::string sign = text[e + 1] == '-' ? "-" : "";
        const std::size_t digits = text.find_first_not_of("+-0", e + 1);
        return text.substr(0, e + 1) + sign + (digits == std::string::npos ? "0" : text.substr(digits));
    }
    return fmt::format("{:.6g}", value);
}

inline double nice_step(double width, std::size_t count)
{
    const double raw = width / static_cast<double>(std::max<std::size_t>(count, 1)), unit = std::pow(10, std::floor(std::log10(raw)));
    for (const double step : {1.0, 2.0, 2.5, 5.0})
        if (step * unit >= raw * (1 - 1e-9))
            return step * unit;
    return 10 * unit;
}

inline void add_linear_ticks(chart_axis& axis, std::size_t count, bool whole)
{
    double step = nice_step(axis.high - axis.low, count);
    if (whole && step < 5)
        step = step <= 1 ? 1 : step <= 2 ? 2 : 5;
    axis.low = std::floor(axis.low / step + 1e-9) * step;
    axis.high = std::ceil(axis.high / step - 1e-9) * step;
    for (long i = std::lround(axis.low / step); i <= std::lround(axis.high / step); ++i)
        axis.ticks.push_back({static_cast<double>(i) * step, tick_label(static_cast<double>(i) * step)});
}

inline void add_log_ticks(chart_axis& axis, std::size_t count)
{
    int first = static_cast<int>(std::floor(std::log10(axis.low) + 1e-9)), last = static_cast<int>(std::ceil(std::log10(axis.high) - 1e-9));
    if (last == first)
        ++last;
    axis.low = std::pow(10, first);
    axis.high = std::pow(10, last);
    const bool few = last - first <= 2;
    const int step = std::max(1, static_cast<int>(std::ceil(static_cast<double>(last - first + 1) / static_cast<double>(std::max<std::size_t>(count, 2)))));
    for (int exponent = first; exponent <= last; exponent += few ? 1 : step)
        for (const double factor : {1.0, 2.0, 5.0})
            if (const double value = factor * std::pow(10, exponent); factor == 1 || (few && value < axis.high))
                axis.ticks.push_back({value, tick_label(value)});
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart_axis axis_of(std::span<const double> values, const axis_options& options)
{
    chart_axis axis{.logarithmic = options.logarithmic};
    bool any = false;
    for (const double given : values) {
        if (!std::isfinite(given) || (options.logarithmic && given < 1e-300))
            continue;
        const double value = std::clamp(given, -1e300, 1e300);  // steps beyond it would not be finite
        axis.low = any ? std::min(axis.low, value) : value;
        axis.high = any ? std::max(axis.high, value) : value;
        any = true;
    }
    if (!any) {
        axis.low = options.logarithmic ? 1 : 0;
        axis.high = options.logarithmic ? 10 : 1;
    }
    if (options.logarithmic) {
        detail::add_log_ticks(axis, options.tick_count);
        return axis;
    }
    if (options.from_zero) {
        axis.low = std::min(axis.low, 0.0);
        axis.high = std::max(axis.high, 0.0);
    }
    const double width = axis.high - axis.low, size = std::max(std::fabs(axis.low), std::fabs(axis.high));
    if (!(width > 1e-9 * size)) {
        const double margin = size > 0 ? size / 10 : 1;
        axis.low -= options.from_zero && axis.low == 0 ? 0 : margin;
        axis.high += margin;
    }
    detail::add_linear_ticks(axis, options.tick_count, options.whole);
    return axis;
}

}  // namespace weightscope
