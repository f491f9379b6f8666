#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/chart_scan.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE charted_scan::charted_scan(const scan_result& scan, const health_result& health) : scan_(scan), health_(health)
{
    std::vector<std::string> names;
    for (const layer_result& layer : scan.layers)
        names.push_back(layer.name);
    labels_ = layer_labels(names);
    for (const finding& f : health.findings)
        found_[f.layer].push_back(&f);
}

WEIGHTSCOPE_INLINE const finding* charted_scan::worst(std::size_t i, std::initializer_list<std::string_view> rules) const
{
    const auto found = found_.find(layer(i).name);
    if (found == found_.end())
        return nullptr;
    for (const finding* f : found->second)  // critical first
        if (rules.size() == 0 || std::find(rules.begin(), rules.end(), f->rule_id) != rules.end())
            return f;
    return nullptr;
}

WEIGHTSCOPE_INLINE std::string_view charted_scan::color(std::size_t i, std::initializer_list<std::string_view> rules, std::string_view healthy) const
{
    const finding* f = worst(i, rules);
    return f ? chart_colors::of(f->level) : healthy;
}

WEIGHTSCOPE_INLINE std::string charted_scan::title(std::size_t i, std::string_view words, std::initializer_list<std::string_view> rules) const
{
    std::string shape;
    for (const std::size_t extent : layer(i).shape)
        shape += fmt::format("{}{}", shape.empty() ? "" : "x", extent);
    const finding* f = worst(i, rules);
    return fmt::format("{} [{}]: {}{}", layer(i).name, shape, words, f ? fmt::format(" ({}: {})", to_string(f->level), f->message) : std::string());
}

namespace detail {

WEIGHTSCOPE_INLINE void draw_heading(svg_picture& picture, std::string_view title, std::string_view below)
{
    const double width = picture.extent().width - 40;
    picture.text({20, 28}, fitting_text(title, width, 16), {.size = 16, .bold = true});
    picture.text({20, 46}, fitting_text(below, width, 11), {.color = chart_colors::faint});
}

WEIGHTSCOPE_INLINE std::string model_words(const scan_result& scan)
{
    return fmt::format("{}, {} tensors, {} parameters", scan.model.path.empty() ? "a model" : scan.model.path, grouped(scan.layers.size()),
                       grouped(scan.model.parameters));
}

WEIGHTSCOPE_INLINE const std::vector<legend_entry>& severity_legend()
{
    static const std::vector<legend_entry> entries = {{chart_colors::vermilion, "critical finding"},
                                                      {chart_colors::orange, "warning"},
                                                      {chart_colors::sky, "info"},
                                                      {chart_colors::blue, "no finding"}};
    return entries;
}

}  // namespace detail

}  // namespace weightscope
