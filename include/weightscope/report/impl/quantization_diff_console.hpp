#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/quantization_diff_console.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_tables.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

// Layers that were compared, each once; the furthest apart first.
inline std::vector<std::size_t> diff_order(const quantization_diff_result& diff, std::size_t limit)
{
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < diff.layers.size(); ++i)
        if (!diff.layers[i].differences.empty() && !counted_elsewhere(diff.layers[i].layer))
            order.push_back(i);
    const auto apart = [&](std::size_t i) {
        double most = -1;
        for (const scheme_difference& d : diff.layers[i].differences)
            most = std::max(most, d.change_db.exists() ? std::fabs(d.change_db.value) : 0);
        return most;
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return apart(a) > apart(b); });
    order.resize(std::min(order.size(), limit));
    return order;
}

WEIGHTSCOPE_INLINE text_table diff_schemes_table(const quantization_diff_result& diff)
{
    text_table table{.headings = {"scheme", "SQNR dB", "change dB", "values that differ"}};
    for (std::size_t s = 0; s < diff.schemes.size(); ++s) {
        const quantization_diff_whole& whole = diff.wholes[s];
        table.rows.push_back({to_string(diff.schemes[s]), short_figure(whole.sqnr_db, "{:.2f}"), s == 0 ? "" : short_figure(whole.change_db, "{:+.3f}"),
                              s == 0 ? "" : percent(whole.differing_fraction)});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table diff_layers_table(const quantization_diff_result& diff, std::size_t limit)
{
    text_table table{.headings = {"layer", to_string(diff.schemes.front())}};
    for (std::size_t s = 1; s < diff.schemes.size(); ++s) {
        table.headings.push_back(to_string(diff.schemes[s]));
        table.headings.emplace_back("change");
    }
    for (const std::size_t i : diff_order(diff, limit)) {
        const quantization_diff_layer& layer = diff.layers[i];
        table.rows.push_back({harmless(layer.layer.name), short_figure(layer.differences.front().first_sqnr_db, "{:.2f}")});
        for (const scheme_difference& d : layer.differences) {
            table.rows.back().push_back(short_figure(d.second_sqnr_db, "{:.2f}"));
            table.rows.back().push_back(short_figure(d.change_db, "{:+.3f}"));
        }
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table diff_groups_table(const quantization_diff_result& diff, std::size_t limit)
{
    text_table table{.headings = {"group furthest apart", "second scheme", "row", "columns", "worst weight", "first", "second", "e² first", "e² second",
                                  "groups that differ"}};
    for (const std::size_t i : diff_order(diff, limit))
        for (std::size_t s = 1; s < diff.schemes.size(); ++s) {
            const scheme_difference& d = diff.layers[i].differences[s - 1];
            if (!d.worst)
                continue;
            const scheme_group_difference& g = *d.worst;
            table.rows.push_back({harmless(diff.layers[i].layer.name), to_string(diff.schemes[s]), grouped(g.row),
                                  fmt::format("{} to {}", g.column, g.column + g.size - 1), fmt::format("{:.5g} at {}", g.weight, g.worst_column),
                                  fmt::format("{:.5g}", g.first_value), fmt::format("{:.5g}", g.second_value),
                                  fmt::format("{:.3g}", g.first_squared_error), fmt::format("{:.3g}", g.second_squared_error),
                                  fmt::format("{} of {}", grouped(d.differing_groups), grouped(d.group_count))});
        }
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const quantization_diff_result& diff, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(diff, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::size_t compared = 0, lost = 0;
    for (const quantization_diff_layer& layer : diff.layers) {
        compared += !layer.differences.empty();
        lost += !layer.layer.error.empty();
    }
    std::string text;
    detail::append_wrapped(text,
                           fmt::format("{}: {} under {} schemes, compared in {:.2f} s{}", detail::harmless(diff.model.path),
                                       detail::counted(compared, "layer", "layers"), diff.schemes.size(), diff.seconds,
                                       lost > 0 ? fmt::format("; {} could not be read", detail::counted(lost, "layer", "layers")) : std::string()),
                           options.width, 0, [&](std::string_view line) { return style.bold(line); });
    detail::append_table(text, detail::fitting(detail::diff_schemes_table(diff), options.width, 4), style, options.width);
    for (std::size_t s = 1; s < diff.schemes.size(); ++s)
        detail::append_wrapped(text, fmt::format("{}: {}", to_string(diff.schemes[s]), diff.wholes[s].reason), options.width, 0, detail::plain);
    detail::append_table(text, detail::fitting(detail::diff_layers_table(diff, options.top_issues), options.width, 3), style, options.width);
    detail::append_table(text, detail::fitting(detail::diff_groups_table(diff, options.top_issues), options.width, 6), style, options.width);
    return text;
}

}  // namespace weightscope
