#pragma once

#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// One way to do something: what it costs, and what it loses.
struct trade_off
{
    std::string name = {};
    double cost = 0;          ///< on the x axis
    double loss = 0;          ///< on the y axis; less is better, like the cost
    bool on_front = false;    ///< no other one is as good in both and better in one
    bool recommended = false;
};

/// A picture of ways to do something by cost and loss.
struct trade_off_chart
{
    std::string name = {};   ///< of the chart
    std::string title = {};
    std::string below = {};  ///< a line below the title
    std::string cost = {};   ///< what the axes measure
    std::string loss = {};
    bool logarithmic_cost = false;
    bool logarithmic_loss = true;  ///< a loss of 0 lies on the lower edge
    std::vector<trade_off> points = {};
};

/// Cost against loss: the front of what nothing beats as a line, all others as points, named as far as there is room.
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_trade_offs(const trade_off_chart& of);

/// Schemes of quantization by size and error.
///
/// @return named "scheme_errors"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_scheme_errors(const quantization_study_result& study);

/// One allocation of bits to layers.
struct allocation_point
{
    double bits_per_weight = 0;
    double loss = 0;
    std::string name = {};
    bool chosen = false;
};

/// What allocations of bits cost and lose.
///
/// @param points  in any order; the front is found here
/// @param loss    what the loss is: "expected increase of the loss"
/// @return        named "allocation_front"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_allocation_front(std::span<const allocation_point> points, const std::string& loss);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_points.hpp>
#endif
