#pragma once

#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// Values along a series of steps; NaN where there is none.
struct chart_series
{
    std::string name = {};
    std::vector<double> values = {};  ///< [steps]
};

/// Lines over the same steps in one frame.
struct line_panel
{
    std::string title = {};
    std::string unit = {};
    bool logarithmic = false;
    std::vector<double> reached = {};  ///< values that the axis reaches at least
    std::vector<chart_series> series = {};
};

/// Up to four panels of lines over the same steps, two beside each other; one without a value is left out.
///
/// @param name    of the chart
/// @param title   its heading
/// @param below   a line below the heading
/// @param steps   names of the steps, in their order
/// @param panels  see line_panel
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_lines(const std::string& name, const std::string& title, const std::string& below,
                                                  std::span<const std::string> steps, std::span<const line_panel> panels);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_lines.hpp>
#endif
