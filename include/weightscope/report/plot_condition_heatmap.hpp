#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>

namespace weightscope {

namespace detail {

struct charted_condition
{
    std::size_t layer = 0;
    metric number = {};       // a lower bound where it is not resolved
    bool at_least = false;
    double gaussian = 1;

    double excess() const { return number.exists() ? std::log10(std::max(number.value / gaussian, 1.0)) : -1; }  // decades above a random matrix
    std::string words() const;
};

WEIGHTSCOPE_INLINE std::vector<charted_condition> charted_conditions(const scan_result& scan);

}  // namespace detail

/// Condition numbers of all matrices as a map of blocks and roles, coloured by how far they are above a random matrix of their
/// shape, and the worst ones by name.
///
/// @param scan    see scan, read_scan
/// @param health  its verdict; colours the bars
/// @return        named "condition_heatmap"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_condition_heatmap(const scan_result& scan, const health_result& health);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_condition_heatmap.hpp>
#endif
