#pragma once
// Numbers as words of a text.

#include <cmath>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

inline std::string grouped(std::size_t count)
{
    return fmt::format("{}", fmt::group_digits(count));
}

// A number as short as a reader wants it: counts whole, the rest to four digits.
inline std::string figure(double value)
{
    if (value != std::rint(value) || std::fabs(value) >= 1e6)
        return fmt::format("{:.4g}", value);
    return (value < 0 ? "-" : "") + grouped(static_cast<std::size_t>(std::fabs(value)));
}

inline std::string figure(const metric& number)
{
    return number.exists() ? figure(number.value) : number.reason;
}

inline std::string decibels(const metric& number)
{
    return number.exists() ? fmt::format("{:.1f} dB", number.value) : number.reason;
}

}  // namespace weightscope::detail
