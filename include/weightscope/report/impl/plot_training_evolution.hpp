#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_lines.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE double norm_of(const layer_result& layer)
{
    return layer.basic_stats && layer.basic_stats->l2_norm.exists() ? layer.basic_stats->l2_norm.value : no_value;
}

WEIGHTSCOPE_INLINE double condition_of(const layer_result& layer)
{
    return layer.spectral && layer.spectral->condition_number_at_least.exists() ? layer.spectral->condition_number_at_least.value : no_value;
}

WEIGHTSCOPE_INLINE double sqnr_of(const layer_result& layer)
{
    return layer.quantization && layer.quantization->sqnr_db.exists() ? layer.quantization->sqnr_db.value : no_value;
}

// The figure of every step for every layer that the first step has.
inline std::map<std::string, std::vector<double>> figures_of_steps(std::span<const scan_step> steps, double (*figure)(const layer_result&))
{
    std::map<std::string, std::vector<double>> result;
    for (std::size_t k = 0; k < steps.size(); ++k)
        for (const layer_result& layer : steps[k].scan.layers)
            if (holds_real_matrix(layer) && !layer.counted_elsewhere())
                result.try_emplace(layer.name, steps.size(), no_value).first->second[k] = figure(layer);
    return result;
}

// The layers whose figure moves most, in decades where `logarithmic`; others come as their median.
inline std::vector<chart_series> moving_series(const std::map<std::string, std::vector<double>>& figures, bool logarithmic,
                                               const std::map<std::string, std::string>& names, std::size_t most)
{
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [name, values] : figures) {
        double least = std::numeric_limits<double>::infinity(), greatest = -least;
        for (const double value : values)
            if (std::isfinite(value) && (!logarithmic || value > 0)) {
                least = std::min(least, logarithmic ? std::log10(value) : value);
                greatest = std::max(greatest, logarithmic ? std::log10(value) : value);
            }
        if (greatest >= least)
            order.emplace_back(-(greatest - least), name);
    }
    std::sort(order.begin(), order.end());
    std::vector<chart_series> result;
    for (const auto& [movement, name] : std::span(order).first(std::min(most, order.size())))
        result.push_back({names.at(name), figures.at(name)});
    if (order.size() <= most)
        return result;
    chart_series middle{.name = "median of all"};
    for (std::size_t k = 0; k < figures.begin()->second.size(); ++k) {
        std::vector<double> column;
        for (const auto& [name, values] : figures)
            if (std::isfinite(values[k]))
                column.push_back(values[k]);
        std::sort(column.begin(), column.end());
        middle.values.push_back(column.empty() ? no_value : column[column.size() / 2]);
    }
    result.push_back(std::move(middle));
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE chart plot_training_evolution(std::span<const scan_step> steps)
{
    constexpr std::size_t most = 5;
    require(steps.size() >= 2, "plot_training_evolution(steps): there are {}, expected 2 or more", steps.size());
    std::vector<std::string> step_names, layer_names;
    line_panel health{.title = "health", .unit = "score, 100 at best", .reached = {0, 100}};
    health.series = {{.name = "score"}};
    for (const scan_step& step : steps) {
        step_names.push_back(step.name);
        health.series[0].values.push_back(judge(step.scan).score);
    }
    std::map<std::string, std::string> short_names;
    for (const scan_step& step : steps)
        for (const layer_result& layer : step.scan.layers)
            if (short_names.try_emplace(layer.name).second)
                layer_names.push_back(layer.name);
    const auto labels = layer_labels(layer_names);
    for (std::size_t i = 0; i < layer_names.size(); ++i)
        short_names[layer_names[i]] = labels[i].text;
    const auto panel = [&](const char* title, const char* unit, bool logarithmic, double (*figure)(const layer_result&)) {
        return line_panel{title, unit, logarithmic, {}, detail::moving_series(detail::figures_of_steps(steps, figure), logarithmic, short_names, most)};
    };
    const std::vector<line_panel> panels = {health, panel("norms that change most", "l2 norm", true, detail::norm_of),
                                            panel("condition numbers that change most", "condition number", true, detail::condition_of),
                                            panel("SQNRs that change most", "dB", false, detail::sqnr_of)};
    return plot_lines("training_evolution", "Training evolution", fmt::format("{} steps, {} layers", steps.size(), layer_names.size()), step_names, panels);
}

}  // namespace weightscope
