#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

struct plot_scan_options
{
    std::size_t detailed_layers = 10;  ///< how many layers get charts of their own: those that findings name first
    std::function<std::optional<chart>(const layer_result&)> weight_heatmap = {};  ///< draws a layer's weights, which a scan does not hold
};

namespace detail {

// Layers that findings name, the worst first, then the others in model order.
WEIGHTSCOPE_INLINE std::vector<const layer_result*> detailed_layers(const scan_result& scan, const health_result& health, std::size_t most);

}  // namespace detail

/// Every chart that a scan has figures for: of the whole model, and below "layer_details/" of single layers.
///
/// @param scan     see scan, read_scan
/// @param health   its verdict
/// @param options  see plot_scan_options
/// @return         charts for write_charts; those whose figures were not measured are left out
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<chart> plot_scan(const scan_result& scan, const health_result& health,
                                                              const plot_scan_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_scan.hpp>
#endif
