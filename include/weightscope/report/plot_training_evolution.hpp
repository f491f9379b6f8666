#pragma once

#include <limits>
#include <span>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One scan of a series.
struct scan_step
{
    std::string name = {};  ///< "step 500"
    scan_result scan = {};
};

namespace detail {

inline constexpr double no_value = std::numeric_limits<double>::quiet_NaN();

WEIGHTSCOPE_INLINE double norm_of(const layer_result& layer);

WEIGHTSCOPE_INLINE double condition_of(const layer_result& layer);

WEIGHTSCOPE_INLINE double sqnr_of(const layer_result& layer);

}  // namespace detail

/// How a model changes over a series of checkpoints: its score, and norm, condition number and SQNR of the layers that move most,
/// beside the median of all. What was not measured is left out.
///
/// @param steps  scans in their order, two or more; layers are matched by name
/// @return       named "training_evolution"
/// @throws std::invalid_argument  fewer than two steps
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_training_evolution(std::span<const scan_step> steps);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_training_evolution.hpp>
#endif
