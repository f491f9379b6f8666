#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

struct axis_tick
{
    double value = 0;
    std::string label = {};
};

/// A range of values and where along an axis they lie.
struct chart_axis
{
    double low = 0, high = 1;
    bool logarithmic = false;
    std::vector<axis_tick> ticks = {};

    /// 0 at the low end, 1 at the high one; values beyond them lie at the ends.
    [[nodiscard]] double share(double value) const;
};

struct axis_options
{
    bool logarithmic = false;    ///< values that are not positive do not count
    bool from_zero = false;      ///< a linear axis begins at 0, as bars need it
    std::size_t tick_count = 6;  ///< about how many at most
    bool whole = false;          ///< of counts: a linear axis has ticks at whole numbers only
};

namespace detail {

// A round number, with no more zeros than one can count.
WEIGHTSCOPE_INLINE std::string tick_label(double value);

}  // namespace detail

/// The axis that shows all of these values, ends at round ones and has few round ticks. Values that are not finite do not count.
[[nodiscard]] WEIGHTSCOPE_INLINE chart_axis axis_of(std::span<const double> values, const axis_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_axis.hpp>
#endif
