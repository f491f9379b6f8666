#pragma once
// The tables of a study for a terminal.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/model_quality_console.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

inline std::string short_bytes(std::uint64_t bytes)
{
    constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
        value /= 1024;
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

inline std::string percent(const metric& share)
{
    return share.exists() ? fmt::format("{:.3g} %", 100 * share.value) : share.reason;
}

inline void append_table(std::string& text, const text_table& table, const console_style& style, std::size_t width)
{
    if (table.rows.empty())
        return;
    const std::vector<std::string> lines = table.lines(width);
    text += "\n" + style.bold(lines.front()) + "\n" + fmt::format("{}\n", fmt::join(lines.begin() + 1, lines.end(), "\n"));
}

// The table without its last columns, as many as its first one needs to be whole; `least` columns stay.
inline text_table fitting(text_table table, std::size_t width, std::size_t least)
{
    const auto taken = [&] {
        std::size_t sum = 0;
        for (std::size_t column = 0; column < table.headings.size(); ++column) {
            std::size_t widest = display_width(table.headings[column]);
            for (const auto& row : table.rows)
                widest = std::max(widest, display_width(row[column]));
            sum += widest + (column > 0 ? 2 : 0);
        }
        return sum;
    };
    while (table.headings.size() > least && taken() > width) {
        table.headings.pop_back();
        for (auto& row : table.rows)
            row.pop_back();
    }
    return table;
}

inline text_table variants_table(const quantization_study_result& study)
{
    text_table table{.headings = {"variant", "size", "ratio", "bits/weight", "rel. error", "SQNR dB", "worst layer", "MAE", "RMSE", "max error",
                                  "cosine"}};
    for (std::size_t v = 0; v < study.variants.size(); ++v) {
        const variant_result& r = study.variants[v];
        table.rows.push_back({harmless(r.name) + (v == study.recommended ? " *" : ""), short_bytes(r.bytes),
                              short_figure(r.compression_ratio, "{:.2f}"), short_figure(r.bits_per_weight, "{:.3f}"),
                              percent(r.error.relative_error), short_figure(r.error.sqnr_db, "{:.1f}"),
                              r.worst_layer == kept_as_stored                                   ? "-"
                              : study.settings.error_metric == study_metric::relative_error ? percent(r.worst_error)
                                                                                               : short_figure(r.worst_error, "{:.3g}"),
                              short_figure(r.error.mae, "{:.3g}"), short_figure(r.error.rmse, "{:.3g}"),
                              short_figure(r.error.max_error, "{:.3g}"), short_figure(r.error.cosine_similarity, "{:.6f}")});
    }
    return table;
}

// The layers that a variant quantizes, the worst first.
inline std::vector<std::size_t> worst_layers(const quantization_study_result& study, const variant_result& variant, std::size_t limit)
{
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < study.layers.size(); ++i)
        if (variant.picks[i].scheme != kept_as_stored && !counted_elsewhere(study.layers[i]))
            order.push_back(i);
    const auto loss = [&](std::size_t i) {
        const metric& error = figures_of(study.layers[i], variant.picks[i]).error.relative_error;
        return error.exists() ? error.value : 0;
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return loss(a) > loss(b); });
    order.resize(std::min(order.size(), limit));
    return order;
}

inline text_table worst_layers_table(const quantization_study_result& study, std::size_t limit)
{
    const variant_result& told = study.variants[study.recommended];
    text_table table{.headings = {"worst layers", "bytes", "ratio", "rel. error", "SQNR dB", "max error", "cosine", "scheme"}};
    for (const std::size_t i : worst_layers(study, told, limit)) {
        const study_layer& layer = study.layers[i];
        const scheme_figures& figures = figures_of(layer, told.picks[i]);
        table.rows.push_back({harmless(layer.name), grouped(figures.storage.bytes()),
                              fmt::format("{:.2f}", static_cast<double>(layer.bytes) / static_cast<double>(figures.storage.bytes())),
                              percent(figures.error.relative_error), short_figure(figures.error.sqnr_db, "{:.1f}"),
                              short_figure(figures.error.max_error, "{:.3g}"), short_figure(figures.error.cosine_similarity, "{:.6f}"),
                              to_string(study.schemes[told.picks[i].scheme])});
    }
    return table;
}

// The same layers under every scheme.
inline text_table schemes_table(const quantization_study_result& study, std::size_t limit)
{
    text_table table{.headings = {"relative error by scheme"}};
    if (study.schemes.size() < 2)
        return table;
    for (const scheme& s : study.schemes)
        table.headings.push_back(to_string(s));
    for (const std::size_t i : worst_layers(study, study.variants[study.recommended], limit)) {
        table.rows.push_back({harmless(study.layers[i].name)});
        for (const scheme_figures& figures : study.layers[i].figures)
            table.rows.back().push_back(percent(figures.error.relative_error));
    }
    return table;
}

// What the variants that choose chose.
inline void append_choices(std::string& text, const quantization_study_result& study, const console_style& style, std::size_t width)
{
    for (std::size_t v = study.settings.variants.size(); v < study.variants.size(); ++v) {
        text_table table{.headings = {harmless(study.variants[v].name) + " picks", "scheme", "bytes", "because"}};
        std::map<std::string, std::pair<std::size_t, std::uint64_t>> by_scheme;
        for (std::size_t i = 0; i < study.layers.size(); ++i) {
            const study_layer& layer = study.layers[i];
            const layer_pick& pick = study.variants[v].picks[i];
            if (layer.figures.empty())
                continue;
            const std::string name = pick.scheme == kept_as_stored ? "kept" : to_string(study.schemes[pick.scheme]);
            table.rows.push_back({harmless(layer.name), name, grouped(bytes_of_pick(layer, pick)), pick.reason});
            ++by_scheme[name].first;
            by_scheme[name].second += bytes_of_pick(layer, pick);
        }
        constexpr std::size_t most_rows = 48;
        if (table.rows.size() > most_rows) {
            table = {.headings = {harmless(study.variants[v].name) + " picks", "layers", "bytes"}};
            for (const auto& [name, sum] : by_scheme)
                table.rows.push_back({name, grouped(sum.first), grouped(sum.second)});
        }
        append_table(text, fitting(std::move(table), width, 3), style, width);
    }
}

// For each kind of decision the case where it changed most.
inline text_table knobs_table(const quantization_study_result& study)
{
    text_table table{.headings = {"what matters", "error", "size", "from", "to"}};
    std::vector<std::string_view> seen;
    for (const study_knob& knob : study.knobs) {
        if (std::find(seen.begin(), seen.end(), knob.knob) != seen.end())
            continue;
        seen.push_back(knob.knob);
        const std::string bytes = short_bytes(static_cast<std::uint64_t>(std::abs(knob.bytes_change)));
        table.rows.push_back({knob.knob, short_figure(knob.error_change_db, "{:+.2f} dB"), (knob.bytes_change < 0 ? "-" : "+") + bytes,
                              harmless(knob.from), harmless(knob.to)});
    }
    return table;
}

}  // namespace weightscope::detail
