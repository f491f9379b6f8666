#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// How many rows, worst first, a chart of all layers names.
inline constexpr std::size_t most_charted_rows = 30;

/// A scan and its verdict as charts see them: short names, and what was found in each layer.
class charted_scan
{
public:
    charted_scan(const scan_result& scan, const health_result& health) : scan_(scan), health_(health)
    {
        std::vector<std::string> names;
        for (const layer_result& layer : scan.layers)
            names.push_back(layer.name);
        labels_ = layer_labels(names);
        for (const finding& f : health.findings)
            found_[f.layer].push_back(&f);
    }

    [[nodiscard]] const scan_result& scan() const { return scan_; }
    [[nodiscard]] const health_result& health() const { return health_; }
    [[nodiscard]] const std::vector<layer_label>& labels() const { return labels_; }
    [[nodiscard]] const layer_result& layer(std::size_t i) const { return scan_.layers[i]; }

    /// The worst finding in a layer by one of these rules, or by any if none is named.
    [[nodiscard]] const finding* worst(std::size_t i, std::initializer_list<std::string_view> rules = {}) const
    {
        const auto found = found_.find(layer(i).name);
        if (found == found_.end())
            return nullptr;
        for (const finding* f : found->second)  // critical first
            if (rules.size() == 0 || std::find(rules.begin(), rules.end(), f->rule_id) != rules.end())
                return f;
        return nullptr;
    }

    /// Of its worst finding; `healthy` where there is none.
    [[nodiscard]] std::string_view color(std::size_t i, std::initializer_list<std::string_view> rules, std::string_view healthy = chart_colors::blue) const
    {
        const finding* f = worst(i, rules);
        return f ? chart_colors::of(f->level) : healthy;
    }

    /// A tooltip: the full name, the shape, these words, and what was found.
    [[nodiscard]] std::string title(std::size_t i, std::string_view words, std::initializer_list<std::string_view> rules = {}) const
    {
        std::string shape;
        for (const std::size_t extent : layer(i).shape)
            shape += fmt::format("{}{}", shape.empty() ? "" : "x", extent);
        const finding* f = worst(i, rules);
        return fmt::format("{} [{}]: {}{}", layer(i).name, shape, words, f ? fmt::format(" ({}: {})", to_string(f->level), f->message) : std::string());
    }

private:
    const scan_result& scan_;
    const health_result& health_;
    std::vector<layer_label> labels_;
    std::unordered_map<std::string, std::vector<const finding*>> found_;
};

namespace detail {

// The head of a chart: what it shows, and of what.
inline void draw_heading(svg_picture& picture, std::string_view title, std::string_view below)
{
    const double width = picture.extent().width - 40;
    picture.text({20, 28}, fitting_text(title, width, 16), {.size = 16, .bold = true});
    picture.text({20, 46}, fitting_text(below, width, 11), {.color = chart_colors::faint});
}

inline std::string model_words(const scan_result& scan)
{
    return fmt::format("{}, {} tensors, {} parameters", scan.model.path.empty() ? "a model" : scan.model.path, grouped(scan.layers.size()),
                       grouped(scan.model.parameters));
}

inline const std::vector<legend_entry>& severity_legend()
{
    static const std::vector<legend_entry> entries = {{chart_colors::vermilion, "critical finding"},
                                                      {chart_colors::orange, "warning"},
                                                      {chart_colors::sky, "info"},
                                                      {chart_colors::blue, "no finding"}};
    return entries;
}

}  // namespace detail

}  // namespace weightscope
