#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string bit_number_text(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : std::string("-"); }

WEIGHTSCOPE_INLINE std::vector<std::string> bit_selection_sentences(const bit_selection& selection)
{
    std::string first = fmt::format("{} of {} weights in {} tensors, by {}", selection.candidates.size(), fmt::group_digits(selection.weight_count), selection.tensor_count,
                                    to_string(selection.method));
    if (!selection.gradient_source.empty())
        first += fmt::format(" with gradients from {}", selection.gradient_source == "file"        ? "a file"
                                                       : selection.gradient_source == "evaluator" ? "the evaluator"
                                                                                                  : "differences of losses");
    if (selection.sampled_count > 0)
        first += fmt::format(" of {} weights", fmt::group_digits(selection.sampled_count));
    std::vector<std::string> sentences = {first + fmt::format("; bits: {}", selection.bits)};
    if (selection.flips.total() > 0)
        sentences.push_back(fmt::format("flips: {} within the trust radius, {} outside of it, {} to NaN or Inf, {} that change nothing", fmt::group_digits(selection.flips.inside),
                                        fmt::group_digits(selection.flips.outside), fmt::group_digits(selection.flips.non_finite),
                                        fmt::group_digits(selection.flips.unchanged)));
    if (selection.unscored_count > 0)
        sentences.push_back(fmt::format("{} codes and scales have no score: weights or gradients are not finite", selection.unscored_count));
    for (const std::string& line : selection.passed_over)
        sentences.push_back("passed over: " + line);
    return sentences;
}

WEIGHTSCOPE_INLINE text_table bit_candidates_table(const bit_selection& selection, std::size_t count)
{
    text_table table{.headings = {"weight", "score", "bit", "value", "gradient", "outside Taylor"}};
    for (std::size_t i = 0; i < std::min(count, selection.candidates.size()); ++i) {
        const bit_candidate& c = selection.candidates[i];
        table.rows.push_back({fmt::format("{}[{}]{}", harmless(c.name), c.flat, c.part == "code" ? "" : " " + c.part), c.drawn ? "drawn" : bit_number_text(c.score),
                              c.bit < 0 ? "-" : fmt::format("{}", c.bit), bit_number_text(c.value), bit_number_text(c.gradient),
                              fmt::format("{}", fmt::join(c.outside_taylor, " "))});
    }
    return table;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const bit_selection& selection, std::size_t width, std::size_t count)
{
    std::string text;
    for (const std::string& sentence : detail::bit_selection_sentences(selection))
        text += sentence + "\n";
    const detail::text_table table = detail::bit_candidates_table(selection, count);
    if (!table.rows.empty())
        text += fmt::format("\n{}\n", fmt::join(table.lines(width), "\n"));
    if (selection.candidates.size() > count)
        text += fmt::format("and {} more\n", selection.candidates.size() - count);
    return text;
}

}  // namespace weightscope
