#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/marchenko_pastur_law.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/plot_layer_details.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

inline std::string layer_words(const layer_result& layer)
{
    std::string shape;
    for (const std::size_t extent : layer.shape)
        shape += fmt::format("{}{}", shape.empty() ? "" : "x", extent);
    return fmt::format("{} {}", shape, layer.dtype);
}

inline void draw_weight_histogram(svg_picture& picture, const svg_box& area, const layer_result& layer, bool logarithmic)
{
    const basic_stats_result& stats = *layer.basic_stats;
    const value_histogram& h = stats.histogram;
    std::vector<double> counts = {logarithmic ? 1.0 : 0.0};
    for (const std::uint64_t count : h.counts)
        counts.push_back(static_cast<double>(count));
    chart_axis x = axis_of(h.edges, {.tick_count = 5});
    chart_panel panel(picture, area, x, axis_of(counts, {.logarithmic = logarithmic, .from_zero = !logarithmic, .tick_count = 5}));
    panel.draw_frame({.title = logarithmic ? "logarithmic" : "linear", .x = "weight", .y = "entries per bin"});
    for (std::size_t i = 0; i < h.counts.size(); ++i) {
        if (h.counts[i] == 0)
            continue;
        const double left = panel.across(h.edges[i]), right = panel.across(h.edges[i + 1]), top = panel.height_of(static_cast<double>(h.counts[i]));
        const double height = std::max(area.bottom() - top, 2.0);  // one entry is seen
        picture.rectangle({left, area.bottom() - height, std::max(right - left - 0.5, 0.8), height}, chart_colors::blue,
                          fmt::format("{} to {}: {}", tick_label(h.edges[i]), tick_label(h.edges[i + 1]), grouped(h.counts[i])));
    }
    if (!stats.std.exists() || !(stats.std.value > 0) || h.counts.empty())
        return;
    std::vector<svg_point> curve;  // of a Gaussian with this mean and standard deviation
    const double mean = stats.mean.value, std = stats.std.value, width = h.edges[1] - h.edges[0];
    for (int i = 0; i <= 160; ++i) {
        const double w = h.edges.front() + (h.edges.back() - h.edges.front()) * i / 160, z = (w - mean) / std;
        const double expected = static_cast<double>(stats.census.finite_count()) * width * std::exp(-z * z / 2) / (std * std::sqrt(2 * std::numbers::pi));
        if (!logarithmic || expected >= panel.y().low)
            curve.push_back(panel.at(w, expected));
    }
    if (curve.size() > 1)
        picture.polyline(curve, {.color = chart_colors::vermilion, .width = 1.5}, "Gaussian of the same mean and standard deviation");
}

// All singular values where the scan still has them, else the top ones that it saved.
inline const std::vector<double>& known_singular_values(const spectral_result& spectral)
{
    return spectral.singular_values.values.empty() ? spectral.top_singular_values : spectral.singular_values.values;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::optional<chart> plot_weight_distribution(const layer_result& layer)
{
    if (!layer.basic_stats || layer.basic_stats->histogram.counts.empty())
        return std::nullopt;
    const basic_stats_result& stats = *layer.basic_stats;
    csv_table table({"from", "to", "count"});
    for (std::size_t i = 0; i < stats.histogram.counts.size(); ++i)
        table.add({csv_table::cell(stats.histogram.edges[i]), csv_table::cell(stats.histogram.edges[i + 1]), fmt::format("{}", stats.histogram.counts[i])});
    svg_picture picture({1000, 400}, layer.name);
    detail::draw_heading(picture, fmt::format("Weights of {}", layer.name),
                         fmt::format("{}; mean {}, std {}, excess kurtosis {}, zeros {} %; NaN {}, infinite {}; red: Gaussian", detail::layer_words(layer),
                                     detail::figure(stats.mean), detail::figure(stats.std), detail::figure(stats.kurtosis),
                                     detail::figure(stats.zeros_percentage), stats.census.nan_count, stats.census.infinity_count()));
    detail::draw_weight_histogram(picture, {75, 90, 395, 255}, layer, false);
    detail::draw_weight_histogram(picture, {575, 90, 395, 255}, layer, true);
    return chart{"distribution", "distribution of the weights", picture.text(), table.text()};
}

WEIGHTSCOPE_INLINE std::optional<chart> plot_singular_values(const layer_result& layer)
{
    if (!layer.spectral || detail::known_singular_values(*layer.spectral).empty())
        return std::nullopt;
    const spectral_result& s = *layer.spectral;
    const std::vector<double>& values = detail::known_singular_values(s);
    csv_table table({"index", "singular_value"});
    for (std::size_t i = 0; i < values.size(); ++i)
        table.add({fmt::format("{}", i + 1), csv_table::cell(values[i])});
    svg_picture picture({1000, 440}, layer.name);
    detail::draw_heading(picture, fmt::format("Singular values of {}", layer.name),
                         fmt::format("{}; {} of {} shown; condition number {}, stable rank {} (Gaussian {})", detail::layer_words(layer), values.size(),
                                     s.total_rank, detail::figure(s.condition_number), detail::figure(s.stable_rank), detail::figure(s.gaussian_stable_rank)));
    const auto draw = [&](const svg_box& area, bool logarithmic) {
        std::vector<double> range = values;
        const double least = *std::max_element(values.begin(), values.end()) * 1e-12;  // smaller ones lie on the lower edge
        for (double& value : range)
            value = logarithmic ? std::max(value, least) : value;
        chart_panel panel(picture, area, axis_of(std::vector<double>{1, static_cast<double>(values.size())}, {.tick_count = 5}),
                          axis_of(range, {.logarithmic = logarithmic, .from_zero = !logarithmic, .tick_count = 5}));
        panel.draw_frame({.title = logarithmic ? "logarithmic" : "linear", .x = "number", .y = "singular value"});
        if (s.marchenko_pastur && s.marchenko_pastur->fitted.spike_limit.exists())
            panel.guide_y(std::sqrt(s.marchenko_pastur->fitted.spike_limit.value), "random matrices end here", chart_colors::vermilion);
        std::vector<svg_point> curve;
        for (std::size_t i = 0; i < range.size(); ++i)
            curve.push_back(panel.at(static_cast<double>(i + 1), range[i]));
        if (curve.size() > 1)
            picture.polyline(curve, {.color = chart_colors::sky, .width = 1.5});
        const std::size_t step = curve.size() / 300 + 1;  // a tooltip for each would make the file as large as the spectrum
        for (std::size_t i = 0; i < curve.size(); i += i < 30 ? 1 : step)
            picture.circle(curve[i], curve.size() > 60 ? 2 : 3.5, chart_colors::blue, fmt::format("number {}: {}", i + 1, detail::figure(values[i])));
    };
    draw({75, 90, 395, 295}, false);
    draw({575, 90, 395, 295}, true);
    return chart{"singular_values", "singular values in falling order", picture.text(), table.text()};
}

WEIGHTSCOPE_INLINE std::optional<chart> plot_tail_fit(const layer_result& layer)
{
    if (!layer.spectral || !layer.spectral->heavy_tail || !layer.spectral->heavy_tail->fit.alpha.exists())
        return std::nullopt;
    const power_law_result& fit = layer.spectral->heavy_tail->fit;
    std::vector<double> eigenvalues;
    for (const double sigma : detail::known_singular_values(*layer.spectral))
        if (sigma > 0)
            eigenvalues.push_back(sigma * sigma);
    if (eigenvalues.empty() || !(fit.xmin.value > 0))
        return std::nullopt;
    csv_table table({"eigenvalue", "count_at_or_above", "law"});
    const auto law = [&](double x) { return static_cast<double>(fit.tail_count) * std::pow(x / fit.xmin.value, 1 - fit.alpha.value); };
    for (std::size_t i = 0; i < eigenvalues.size(); ++i)
        table.add({csv_table::cell(eigenvalues[i]), fmt::format("{}", i + 1), eigenvalues[i] >= fit.xmin.value ? csv_table::cell(law(eigenvalues[i])) : ""});
    svg_picture picture({760, 470}, layer.name);
    detail::draw_heading(picture, fmt::format("Tail of {}", layer.name),
                         fmt::format("{}; power law with alpha {:.2f} ± {:.2f} from {} on, {} of {} eigenvalues, KS distance {:.3f}",
                                     detail::layer_words(layer), fit.alpha.value, fit.alpha_error.value, detail::figure(fit.xmin.value), fit.tail_count,
                                     fit.value_count, fit.ks_distance.value));
    std::vector<double> x = {fit.xmin.value, eigenvalues.front()};
    x.push_back(std::max(eigenvalues.back(), fit.xmin.value * 1e-3));
    chart_panel panel(picture, {75, 80, 660, 335}, axis_of(x, {.logarithmic = true}),
                      axis_of(std::vector<double>{1, static_cast<double>(std::max(fit.value_count, eigenvalues.size()))}, {.logarithmic = true}));
    panel.draw_frame({.x = "eigenvalue", .y = "eigenvalues at or above"});
    panel.guide_x(fit.xmin.value, "the tail begins");
    const std::size_t step = eigenvalues.size() / 400 + 1;
    for (std::size_t i = 0; i < eigenvalues.size(); i += i < 30 ? 1 : step)
        if (eigenvalues[i] >= panel.x().low)
            picture.circle(panel.at(eigenvalues[i], static_cast<double>(i + 1)), 3, chart_colors::blue,
                           fmt::format("{} at or above {}", i + 1, detail::figure(eigenvalues[i])));
    std::vector<svg_point> line;  // as far as one eigenvalue is expected
    const double end = std::min(fit.xmin.value * std::pow(static_cast<double>(fit.tail_count), 1 / (fit.alpha.value - 1)), panel.x().high);
    line.push_back(panel.at(fit.xmin.value, static_cast<double>(fit.tail_count)));
    line.push_back(panel.at(end, std::max(law(end), 1.0)));
    picture.polyline(line, {.color = chart_colors::vermilion, .width = 2}, fmt::format("power law, alpha {:.3f}", fit.alpha.value));
    return chart{"tail_fit", "upper tail of the eigenvalues and its power law", picture.text(), table.text()};
}

WEIGHTSCOPE_INLINE std::optional<chart> plot_marchenko_pastur(const layer_result& layer)
{
    constexpr std::size_t bins = 80;
    if (!layer.spectral || !layer.spectral->marchenko_pastur || layer.spectral->singular_values.values.empty())
        return std::nullopt;
    const eigenvalue_bulk& bulk = layer.spectral->marchenko_pastur->fitted;
    if (!bulk.spike_limit.exists() || !(bulk.spike_limit.value > 0) || !(bulk.std.value > 0))
        return std::nullopt;
    const auto longer = static_cast<double>(std::max(layer.spectral->rows, layer.spectral->cols)),
               shorter = static_cast<double>(std::min(layer.spectral->rows, layer.spectral->cols));
    const double end = 1.25 * bulk.spike_limit.value, width = end / bins, unit = longer * bulk.std.value * bulk.std.value;
    std::vector<double> counts(bins, 0), expected;
    std::size_t above = 0;
    for (const double sigma : layer.spectral->singular_values.values) {
        const auto bin = static_cast<std::size_t>(std::min(sigma * sigma / width, static_cast<double>(bins)));
        if (bin < bins)
            counts[bin] += 1;
        else
            ++above;
    }
    const marchenko_pastur_law law(shorter / longer);
    const double inside = shorter - bulk.spike_count.value;
    csv_table table({"from", "to", "count", "law"});
    for (std::size_t i = 0; i < bins; ++i) {
        const double from = width * static_cast<double>(i);
        expected.push_back(inside * (law.cdf((from + width) / unit) - law.cdf(from / unit)));
        table.add({csv_table::cell(from), csv_table::cell(from + width), csv_table::cell(counts[i]), csv_table::cell(expected[i])});
    }
    svg_picture picture({760, 440}, layer.name);
    detail::draw_heading(picture, fmt::format("Bulk of {}", layer.name),
                         fmt::format("{}; {} eigenvalues above the bulk{}", detail::layer_words(layer), detail::figure(bulk.spike_count),
                                     above ? fmt::format(", {} of them further right than this picture", above) : ""));
    std::vector<double> heights = counts;
    heights.insert(heights.end(), expected.begin(), expected.end());
    chart_panel panel(picture, {75, 80, 660, 305}, axis_of(std::vector<double>{0, end}, {.from_zero = true}), axis_of(heights, {.from_zero = true}));
    panel.draw_frame({.x = "eigenvalue", .y = "eigenvalues per bin"});
    std::vector<svg_point> curve;
    for (std::size_t i = 0; i < bins; ++i) {
        const double from = width * static_cast<double>(i), top = panel.height_of(counts[i]);
        if (counts[i] > 0)
            picture.rectangle({panel.across(from), top, panel.across(from + width) - panel.across(from) - 0.5, panel.area().bottom() - top},
                              from >= bulk.spike_limit.value ? chart_colors::orange : chart_colors::blue,
                              fmt::format("{} to {}: {}", detail::figure(from), detail::figure(from + width), counts[i]));
        curve.push_back(panel.at(from + width / 2, expected[i]));
    }
    picture.polyline(curve, {.color = chart_colors::vermilion, .width = 2}, "Marchenko-Pastur law fitted to the bulk");
    panel.guide_x(bulk.spike_limit.value, "random matrices end here");
    return chart{"bulk", "eigenvalues and the law of random matrices", picture.text(), table.text()};
}

}  // namespace weightscope
