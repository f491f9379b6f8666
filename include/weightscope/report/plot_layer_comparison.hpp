#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

// Each figure's change in units that can be added: decades, tenths of 100 %, tens of dB.
WEIGHTSCOPE_INLINE double change_between(const layer_result& a, const layer_result& b);

}  // namespace detail

/// Two scans side by side: norm, condition number, stable rank and SQNR of the layers that differ most, as far as they were measured.
///
/// @param a, b            scans of models with layers in common, which are matched by name
/// @param a_name, b_name  what they are called
/// @return                named "layer_comparison"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_layer_comparison(const scan_result& a, const scan_result& b, const std::string& a_name = "A",
                                                             const std::string& b_name = "B");

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_layer_comparison.hpp>
#endif
