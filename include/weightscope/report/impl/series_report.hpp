#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/change_json.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/series_report.hpp>
#include <weightscope/report/series_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const series_result& r)
{
    using nlohmann::ordered_json;
    ordered_json checkpoints = ordered_json::array();
    for (const series_checkpoint& c : r.checkpoints) {
        ordered_json layers = ordered_json::object(), one = {{"name", c.name}, {"path", c.path}, {"seconds", detail::json_number(c.seconds)}};
        for (const series_layer& layer : c.layers)
            detail::append_member(layers, layer.name, detail::json_of(layer));
        detail::append_metric(one, "relative_l2_distance", c.relative_l2_distance, false);
        detail::append_member(one, "layers", std::move(layers));
        detail::append_findings(one, c.findings, {});
        one.erase("rules");
        checkpoints.push_back(std::move(one));
    }
    ordered_json rules = ordered_json::array();
    for (const change_rule& rule : r.rules)
        rules.push_back(detail::json_of(rule));
    return {{"schema", "weightscope/watch/1"}, {"version", version}, {"checkpoints", std::move(checkpoints)}, {"rules", std::move(rules)}};
}

WEIGHTSCOPE_INLINE std::string to_csv(const series_result& r)
{
    csv_table table({"checkpoint", "layer", "shape", "parameters", "l2_norm", "std", "abs_max", "max_singular_value", "stable_rank",
                     "non_finite_count", "relative_l2_distance", "cosine_similarity", "changed_percentage"});
    for (const series_checkpoint& c : r.checkpoints)
        for (const series_layer& l : c.layers)
            table.add({c.name, l.name, fmt::format("{}", fmt::join(l.shape, "x")), fmt::format("{}", l.parameters), csv_table::cell(l.l2_norm),
                       csv_table::cell(l.std), csv_table::cell(l.abs_max), csv_table::cell(l.max_singular_value), csv_table::cell(l.stable_rank),
                       fmt::format("{}", l.non_finite_count), csv_table::cell(l.relative_l2_distance), csv_table::cell(l.cosine_similarity),
                       csv_table::cell(l.changed_percentage)});
    return table.text();
}

WEIGHTSCOPE_INLINE std::string to_line(const series_checkpoint& c)
{
    std::size_t critical = 0, warning = 0;
    for (const finding& f : c.findings) {
        critical += f.level == severity::critical;
        warning += f.level == severity::warning;
    }
    const std::string change = c.relative_l2_distance.exists() ? fmt::format(", moved {} of its norm", detail::figure(c.relative_l2_distance)) : "";
    const std::string found = critical + warning == 0 ? ""
                                                      : fmt::format(", {}, {}", detail::counted(critical, "critical finding", "critical findings"),
                                                                    detail::counted(warning, "warning", "warnings"));
    return fmt::format("{}: {}{}{}\n", detail::harmless(c.name), detail::counted(c.layers.size(), "layer", "layers"), change, found);
}

namespace detail {

WEIGHTSCOPE_INLINE std::vector<finding> series_findings(const series_result& r)
{
    std::vector<finding> all;
    for (const series_checkpoint& c : r.checkpoints)
        for (finding f : c.findings) {
            f.layer = fmt::format("{} at {}", f.layer.empty() ? "the model" : f.layer, c.name);
            all.push_back(std::move(f));
        }
    std::stable_sort(all.begin(), all.end(), [](const finding& a, const finding& b) { return a.level > b.level; });
    return all;
}

WEIGHTSCOPE_INLINE text_table moved_table(const series_result& r, std::size_t limit)
{
    text_table table{.headings = {"moved most", "way", "norm at first", "at last", "largest sigma", "stable rank"}};
    if (r.checkpoints.size() < 2)
        return table;
    const series_checkpoint &first = r.checkpoints.front(), &last = r.checkpoints.back();
    std::vector<std::pair<double, std::vector<std::string>>> rows;
    for (const series_layer& now : last.layers) {
        const auto then = std::find_if(first.layers.begin(), first.layers.end(), [&](const series_layer& l) { return l.name == now.name; });
        if (then == first.layers.end() || !then->l2_norm.exists() || !now.l2_norm.exists())
            continue;
        double moved = 0;
        for (const series_checkpoint& c : r.checkpoints)
            for (const series_layer& l : c.layers)
                if (l.name == now.name && l.relative_l2_distance.exists())
                    moved += l.relative_l2_distance.value;
        rows.push_back({moved,
                        {harmless(now.name), fmt::format("{:.4g}", moved), figure(then->l2_norm), figure(now.l2_norm),
                         figure_or_dash(now.max_singular_value, "{:.4g}"), figure_or_dash(now.stable_rank, "{:.1f}")}});
    }
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = 0; i < std::min(limit, rows.size()); ++i)
        table.rows.push_back(std::move(rows[i].second));
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const series_result& r, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(series, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::string text = style.bold(fmt::format("{}, {}, {}", detail::counted(r.checkpoints.size(), "checkpoint", "checkpoints"),
                                              detail::counted(r.count(severity::critical), "critical finding", "critical findings"),
                                              detail::counted(r.count(severity::warning), "warning", "warnings")))
                       + "\n";
    text += detail::change_findings_text(detail::series_findings(r), options, style);
    detail::append_text_table(text, detail::moved_table(r, options.top_issues), style, options.width);
    return text;
}

WEIGHTSCOPE_INLINE std::vector<scan_step> to_scan_steps(const series_result& r)
{
    std::vector<scan_step> steps;
    for (const series_checkpoint& c : r.checkpoints) {
        scan_step step{.name = c.name};
        step.scan.model.path = c.path;
        step.scan.model.tensors = c.layers.size();
        for (const series_layer& l : c.layers) {
            layer_result layer{.name = l.name, .shape = l.shape, .dtype = l.dtype, .parameters = l.parameters};
            layer.error = l.error;
            layer.basic_stats = basic_stats_result{};
            layer.basic_stats->l2_norm = l.l2_norm;
            layer.basic_stats->std = l.std;
            layer.basic_stats->census.count = l.parameters;
            layer.basic_stats->census.nan_count = l.non_finite_count;
            layer.spectral = spectral_result{};
            layer.spectral->max_singular_value = l.max_singular_value;
            layer.spectral->stable_rank = l.stable_rank;
            step.scan.layers.push_back(std::move(layer));
        }
        steps.push_back(std::move(step));
    }
    return steps;
}

}  // namespace weightscope
