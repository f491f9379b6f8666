#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/plot_condition_heatmap.hpp>
#include <weightscope/report/plot_health_dashboard.hpp>
#include <weightscope/report/plot_layer_details.hpp>
#include <weightscope/report/plot_quantization_risk.hpp>
#include <weightscope/report/plot_rank_efficiency.hpp>
#include <weightscope/report/plot_scan.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::vector<const layer_result*> detailed_layers(const scan_result& scan, const health_result& health, std::size_t most)
{
    std::vector<const layer_result*> result;
    std::set<std::string> named;
    const auto add = [&](const layer_result& layer) {
        if (result.size() < most && layer.skipped.empty() && layer.error.empty() && !layer.counted_elsewhere() && named.insert(layer.name).second)
            result.push_back(&layer);
    };
    for (const finding& f : health.findings)
        for (const layer_result& layer : scan.layers)
            if (!f.layer.empty() && layer.name == f.layer)
                add(layer);
    for (const layer_result& layer : scan.layers)
        if (is_matrix(layer))
            add(layer);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<chart> plot_scan(const scan_result& scan, const health_result& health, const plot_scan_options& options)
{
    const auto any = [&](auto measured) { return std::any_of(scan.layers.begin(), scan.layers.end(), measured); };
    std::vector<chart> charts = {plot_health_dashboard(scan, health)};
    if (any([](const layer_result& layer) { return layer.spectral.has_value(); })) {
        charts.push_back(plot_condition_heatmap(scan, health));
        charts.push_back(plot_rank_efficiency(scan, health));
    }
    if (any([](const layer_result& layer) { return layer.quantization.has_value(); }))
        charts.push_back(plot_quantization_risk(scan, health));

    const auto layers = detail::detailed_layers(scan, health, options.detailed_layers);
    std::vector<std::string> names;
    for (const layer_result* layer : layers)
        names.push_back(layer->name);
    const std::vector<std::string> files = chart_file_names(names);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const auto add = [&](std::optional<chart> c) {
            if (!c)
                return;
            c->name = "layer_details/" + files[i] + "_" + c->name;
            charts.push_back(std::move(*c));
        };
        add(plot_weight_distribution(*layers[i]));
        add(plot_singular_values(*layers[i]));
        add(plot_tail_fit(*layers[i]));
        add(plot_marchenko_pastur(*layers[i]));
        if (options.weight_heatmap)
            add(options.weight_heatmap(*layers[i]));
    }
    return charts;
}

}  // namespace weightscope
