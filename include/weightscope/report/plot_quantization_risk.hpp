#pragma once

#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>

namespace weightscope {

namespace detail {

struct layer_kind
{
    std::string_view name;
    std::string_view color;
};

// What part of a network a layer is, by its name.
WEIGHTSCOPE_INLINE layer_kind kind_of(const layer_result& layer);

}  // namespace detail

/// What quantizing does to each matrix: outliers against SQNR with one scale per tensor, and for the worst ones what scales per row
/// or group mend.
///
/// @param scan    see scan, read_scan
/// @param health  its verdict; what it names is ringed and named, and the limits that are drawn are those of its rules
/// @return        named "quantization_risk"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_quantization_risk(const scan_result& scan, const health_result& health);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_quantization_risk.hpp>
#endif
