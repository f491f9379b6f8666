#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

namespace detail {

inline std::string bit_number_text(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : std::string("-"); }

}  // namespace detail

/// Chosen weights for people: what was looked at, and the first `count` of them.
[[nodiscard]] inline std::string to_console(const bit_selection& selection, std::size_t width = 100, std::size_t count = 20)
{
    std::string text = fmt::format("{} of {} weights in {} tensors, by {}", selection.candidates.size(), selection.weight_count, selection.tensor_count,
                                   to_string(selection.method));
    if (!selection.gradient_source.empty())
        text += fmt::format(" with gradients from {}", selection.gradient_source == "file"        ? "a file"
                                                      : selection.gradient_source == "evaluator" ? "the evaluator"
                                                                                                 : "differences of losses");
    if (selection.sampled_count > 0)
        text += fmt::format(" of {} weights", selection.sampled_count);
    text += fmt::format("; bits: {}\n", selection.bits);
    if (selection.flips.total() > 0)
        text += fmt::format("flips: {} within the trust radius, {} outside of it, {} to NaN or Inf, {} that change nothing\n", selection.flips.inside,
                            selection.flips.outside, selection.flips.non_finite, selection.flips.unchanged);
    if (selection.unscored_count > 0)
        text += fmt::format("{} codes and scales have no score: weights or gradients are not finite\n", selection.unscored_count);
    for (const std::string& line : selection.passed_over)
        text += fmt::format("passed over: {}\n", line);
    detail::text_table table{.headings = {"weight", "score", "bit", "value", "gradient", "outside Taylor"}};
    for (std::size_t i = 0; i < std::min(count, selection.candidates.size()); ++i) {
        const bit_candidate& c = selection.candidates[i];
        table.rows.push_back({fmt::format("{}[{}]{}", detail::harmless(c.name), c.flat, c.part == "code" ? "" : " " + c.part),
                              c.drawn ? "drawn" : detail::bit_number_text(c.score),
                              c.bit < 0 ? "-" : fmt::format("{}", c.bit), detail::bit_number_text(c.value), detail::bit_number_text(c.gradient),
                              fmt::format("{}", fmt::join(c.outside_taylor, " "))});
    }
    if (!table.rows.empty())
        text += fmt::format("\n{}\n", fmt::join(table.lines(width), "\n"));
    if (selection.candidates.size() > count)
        text += fmt::format("and {} more\n", selection.candidates.size() - count);
    return text;
}

}  // namespace weightscope
