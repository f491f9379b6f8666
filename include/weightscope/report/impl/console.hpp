#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

inline std::string verdict_text(const scan_result& scan, const health_result& health, std::size_t width,
                                const console_style& style)
{
    std::string text;
    const std::string held =
        health.limited_by.empty() ? "" : fmt::format(" (held at {} by {})", health.score, harmless(health.limited_by));
    append_wrapped(
        text,
        fmt::format("Health {}/100, {}: {}{}", health.score, to_string(health.grade), health.recommendation, held),
        width, 0, [&](std::string_view line) { return style.of(health.grade, line); });
    append_wrapped(text,
                   fmt::format("{}, {}, {} in {} of {}",
                               counted(health.count(severity::critical), "critical finding", "critical findings"),
                               counted(health.count(severity::warning), "warning", "warnings"),
                               counted(health.count(severity::info), "note", "notes"),
                               counted(scan.layers.size(), "tensor", "tensors"),
                               scan.model.path.empty() ? "a model" : harmless(scan.model.path)),
                   width, 0, plain);
    std::vector<std::string> silent;
    for (const rule_outcome& outcome : health.rules)
        if (outcome.judged_by.value && outcome.judged_count == 0 && outcome.missing_count > 0)
            silent.push_back(harmless(outcome.judged_by.id));
    if (!silent.empty())
        append_wrapped(text, fmt::format("Not judged, for lack of figures: {}", fmt::join(silent, ", ")), width, 0,
                       plain);
    return text;
}

WEIGHTSCOPE_INLINE std::string findings_text(const health_result& health, const console_options& options, const console_style& style)
{
    constexpr std::size_t indent = 10;
    std::string text;
    for (const finding& f : health.top_issues(options.top_issues)) {
        const std::string id = harmless(f.rule_id), level = padded(to_string(f.level), indent, false);
        const std::string shown_id = shortened(id, options.width / 3);
        const std::size_t left = options.width - indent - display_width(shown_id) - 2;
        const std::string layer = shortened(f.layer.empty() ? "the model" : harmless(f.layer), left);
        text += "\n" + style.of(f.level, level) + style.bold(layer) + "  " + shown_id + "\n";
        append_wrapped(text, harmless(f.meaning.empty() ? f.message : f.message + "; " + f.meaning), options.width,
                       indent, plain);
        append_wrapped(text, harmless(f.remedy), options.width, indent,
                       [&](std::string_view line) { return style.dim(line); });
    }
    if (health.findings.size() > options.top_issues)
        text += fmt::format("\nand {} more\n", health.findings.size() - options.top_issues);
    return text;
}

// The `limit` layers with the largest key, largest first; a layer without one, and one that is counted elsewhere, is left out.
inline std::vector<const layer_result*> top_layers(const scan_result& scan, std::size_t limit,
                                                   const std::function<metric(const layer_result&)>& key)
{
    std::vector<std::pair<double, const layer_result*>> ranked;
    for (const layer_result& layer : scan.layers)
        if (const metric value = key(layer); value.exists() && !layer.counted_elsewhere())
            ranked.emplace_back(value.value, &layer);
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<const layer_result*> layers;
    for (std::size_t i = 0; i < std::min(limit, ranked.size()); ++i)
        layers.push_back(ranked[i].second);
    return layers;
}

WEIGHTSCOPE_INLINE text_table condition_table(const scan_result& scan, std::size_t limit)
{
    text_table table{.headings = {"highest condition numbers", "kappa", "Gaussian", "stable rank", "rank", "of"}};
    const auto key = [](const layer_result& layer) {
        return layer.spectral && layer.spectral->total_rank > 1 ? layer.spectral->condition_number_at_least
                                                                : metric::missing("no spectrum");
    };
    for (const layer_result* layer : top_layers(scan, limit, key)) {
        const spectral_result& s = *layer->spectral;
        table.rows.push_back({harmless(layer->name),
                              (s.condition_number.exists() ? "" : ">= ") + figure(s.condition_number_at_least),
                              figure(s.gaussian_condition_number), figure(s.stable_rank), figure(s.numerical_rank),
                              fmt::format("{}", s.total_rank)});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table quantization_table(const scan_result& scan, std::size_t limit)
{
    const int bits = scan.settings.bits;
    text_table table{.headings = {fmt::format("most sensitive to INT{}", bits), "tensor dB", "row dB",
                                  fmt::format("g{} dB", scan.settings.group_size), "extreme %"}};
    const auto key = [](const layer_result& layer) {
        if (!layer.quantization || !holds_real_matrix(layer) || !layer.quantization->sqnr_db.exists())
            return metric::missing("no error");
        return metric(-layer.quantization->sqnr_db.value);
    };
    const auto figures = [](const metric& db) { return db.exists() ? fmt::format("{:.1f}", db.value) : db.reason; };
    for (const layer_result* layer : top_layers(scan, limit, key)) {
        const quantization_sensitivity_result& q = *layer->quantization;
        const metric& extreme = q.extreme_outlier_percentage;
        table.rows.push_back({harmless(layer->name), figures(q.sqnr_db), figures(q.per_channel_sqnr_db),
                              figures(q.group_sqnr_db),
                              extreme.exists() ? fmt::format("{:.3f}", extreme.value) : extreme.reason});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table sparsity_table(const scan_result& scan, std::size_t limit)
{
    text_table table{.headings = {"sparsest", "zeros %", "dead rows", "dead columns", "2:4 %"}};
    const auto key = [](const layer_result& layer) {
        const metric zeros = zeros_percentage(layer);
        const structured_sparsity_result dead = dead_units(layer).value_or(structured_sparsity_result{});
        const bool notable =
            is_matrix(layer) && zeros.exists() && (zeros.value >= 10 || dead.dead_rows + dead.dead_columns > 0);
        return notable ? zeros : metric::missing("not notable");
    };
    for (const layer_result* layer : top_layers(scan, limit, key)) {
        const auto dead = dead_units(*layer);
        table.rows.push_back(
            {harmless(layer->name), figure(zeros_percentage(*layer)), dead ? fmt::format("{}", dead->dead_rows) : "-",
             dead ? fmt::format("{}", dead->dead_columns) : "-", dead ? figure(dead->two_of_four_percentage) : "-"});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table heavy_tail_table(const scan_result& scan, std::size_t limit)
{
    text_table table{.headings = {"heaviest tails", "alpha", "+-", "distance", "alpha weighted", "in the tail", "spikes"}};
    const auto key = [](const layer_result& layer) {
        const bool fitted = layer.spectral && layer.spectral->heavy_tail && layer.spectral->heavy_tail->fit.alpha.exists();
        return fitted ? metric(-layer.spectral->heavy_tail->fit.alpha.value) : metric::missing("no fit");
    };
    for (const layer_result* layer : top_layers(scan, limit, key)) {
        const heavy_tail_result& tail = *layer->spectral->heavy_tail;
        const auto& bulk = layer->spectral->marchenko_pastur;
        table.rows.push_back({harmless(layer->name), fmt::format("{:.2f}", tail.fit.alpha.value), figure(tail.fit.alpha_error),
                              figure(tail.fit.ks_distance), figure(tail.alpha_weighted), fmt::format("{}", tail.fit.tail_count),
                              bulk ? figure(bulk->fitted.spike_count) : "-"});
    }
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const scan_result& scan, const health_result& health, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200,
            "to_console(scan, health, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::string text =
        detail::verdict_text(scan, health, options.width, style) + detail::findings_text(health, options, style);
    for (const detail::text_table& table :
         {detail::condition_table(scan, options.top_issues), detail::quantization_table(scan, options.top_issues),
          detail::sparsity_table(scan, options.top_issues),
          options.heavy_tails ? detail::heavy_tail_table(scan, options.top_issues) : detail::text_table()}) {
        if (table.rows.empty())
            continue;
        const std::vector<std::string> lines = table.lines(options.width);
        text += "\n" + style.bold(lines.front()) + "\n"
                + fmt::format("{}\n", fmt::join(lines.begin() + 1, lines.end(), "\n"));
    }
    return text;
}

}  // namespace weightscope
