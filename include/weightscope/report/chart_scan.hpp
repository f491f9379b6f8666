#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// How many rows, worst first, a chart of all layers names.
inline constexpr std::size_t most_charted_rows = 30;

/// A scan and its verdict as charts see them: short names, and what was found in each layer.
class charted_scan
{
public:
    charted_scan(const scan_result& scan, const health_result& health);

    [[nodiscard]] const scan_result& scan() const { return scan_; }
    [[nodiscard]] const health_result& health() const { return health_; }
    [[nodiscard]] const std::vector<layer_label>& labels() const { return labels_; }
    [[nodiscard]] const layer_result& layer(std::size_t i) const { return scan_.layers[i]; }

    /// The worst finding in a layer by one of these rules, or by any if none is named.
    [[nodiscard]] const finding* worst(std::size_t i, std::initializer_list<std::string_view> rules = {}) const;

    /// Of its worst finding; `healthy` where there is none.
    [[nodiscard]] std::string_view color(std::size_t i, std::initializer_list<std::string_view> rules, std::string_view healthy = chart_colors::blue) const;

    /// A tooltip: the full name, the shape, these words, and what was found.
    [[nodiscard]] std::string title(std::size_t i, std::string_view words, std::initializer_list<std::string_view> rules = {}) const;

private:
    const scan_result& scan_;
    const health_result& health_;
    std::vector<layer_label> labels_;
    std::unordered_map<std::string, std::vector<const finding*>> found_;
};

namespace detail {

// The head of a chart: what it shows, and of what.
WEIGHTSCOPE_INLINE void draw_heading(svg_picture& picture, std::string_view title, std::string_view below);

WEIGHTSCOPE_INLINE std::string model_words(const scan_result& scan);

WEIGHTSCOPE_INLINE const std::vector<legend_entry>& severity_legend();

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_scan.hpp>
#endif
