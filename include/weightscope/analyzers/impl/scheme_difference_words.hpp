#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/analyzers/scheme_difference_words.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/scale_rules.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

namespace detail {

inline std::string scheme_grid_words(const scheme& s)
{
    return s.grid == element_grid::integer ? fmt::format("int{}", s.bits) : std::string(format_of(s.grid).name);
}

// What a scale is made from: "max|w| / 7".
inline std::string scheme_scale_words(const scheme& s)
{
    const bool integer = s.grid == element_grid::integer;
    const double top = integer ? s.highest_code() : static_cast<double>(format_of(s.grid).largest);
    const double lowest = integer ? s.lowest_code() : -top, span = top - lowest;
    const auto over = [](std::string_view what, double number) { return fmt::format("{} / {}", what, number); };
    std::string words;
    switch (s.rules.base) {
    case scale_base::codes:
        words = s.symmetric ? over("max|w|", s.plain() ? span / 2 : top) : over("(max - min)", span);
        break;
    case scale_base::largest: words = over("max|w|", top); break;
    case scale_base::half_span: words = over("max|w|", span / 2); break;
    case scale_base::half_span_signed: words = over("max|w|", span / 2) + " (half of it where no weight is negative)"; break;
    case scale_base::span: words = over(s.rules.holds_zero ? "(max - min, 0 included)" : "(max - min, 0 not included)", span); break;
    case scale_base::signed_largest: words = over("w of the largest |w|", lowest); break;
    case scale_base::signed_side: words = fmt::format("min / {} or max / {}, the side that reaches further", lowest, lowest); break;
    case scale_base::power_floor: words = "the power of two at or below max|w|, over that of the grid"; break;
    case scale_base::power_log2: words = "the power of two at or below max|w| by a float's logarithm, over that of the grid"; break;
    case scale_base::power_ceil: words = "the power of two at or above max|w|, over that of the grid"; break;
    case scale_base::power_up: words = "the power of two at or above " + over("max|w|", top); break;
    case scale_base::power_even: words = "the power of two at or below the rounded max|w|, over that of the grid"; break;
    }
    if (s.rules.unrounded)
        words += ", before it is rounded";
    return words;
}

inline std::string scheme_extent_words(const scheme& s)
{
    switch (s.granularity) {
    case scale_granularity::per_tensor: return "one scale for all";
    case scale_granularity::per_channel: return "one for each channel";
    case scale_granularity::per_group: return fmt::format("one for {}", s.group_size);
    case scale_granularity::per_block: break;
    }
    return fmt::format("one for {} x {}", s.block_rows, s.block_cols);
}

inline std::string_view scheme_rounding_words(const scheme& s)
{
    constexpr std::string_view words[] = {"to even", "away from zero", "by chance", "up", "toward zero"};
    return words[static_cast<std::size_t>(s.rounding)];
}

inline std::string_view scheme_scale_type_words(const scheme& s)
{
    constexpr std::string_view words[] = {"f32", "f16", "bf16", "f64", "e8m0", "e4m3"};
    return words[static_cast<std::size_t>(s.scale)];
}

inline std::string_view scheme_zero_words(const scheme& s)
{
    if (s.symmetric)
        return "none";
    return s.rules.minimum ? "a minimum of its own" : s.rules.zero_first ? "added before rounding" : "an integer code";
}

inline std::string_view scheme_search_words(const scheme& s)
{
    constexpr std::string_view words[] = {"the whole range", "a percentile", "the range of least squared error", "the range of least error norm"};
    return words[static_cast<std::size_t>(s.search)];
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string explain_scheme_difference(const scheme& a, const scheme& b)
{
    std::vector<std::string> parts;
    const auto add = [&](std::string_view what, const auto& first, const auto& second) {
        if (first != second)
            parts.push_back(fmt::format("{} {} against {}", what, first, second));
    };
    add("grid", detail::scheme_grid_words(a), detail::scheme_grid_words(b));
    if (a.grid == element_grid::integer && b.grid == element_grid::integer && a.bits == b.bits)
        add("codes", fmt::format("{} to {}", a.lowest_code(), a.highest_code()), fmt::format("{} to {}", b.lowest_code(), b.highest_code()));
    add("scale", detail::scheme_scale_words(a), detail::scheme_scale_words(b));
    add("zero point", detail::scheme_zero_words(a), detail::scheme_zero_words(b));
    add("groups:", detail::scheme_extent_words(a), detail::scheme_extent_words(b));
    add("halves rounded", detail::scheme_rounding_words(a), detail::scheme_rounding_words(b));
    add("scale stored as", detail::scheme_scale_type_words(a), detail::scheme_scale_type_words(b));
    add("range:", detail::scheme_search_words(a), detail::scheme_search_words(b));
    if (a.rules.global != b.rules.global && a.rules.global != global_scale::none && b.rules.global != global_scale::none)
        add("scale of the tensor:", std::string_view(a.rules.global == global_scale::divisor ? "a divisor" : "a multiplier"),
            std::string_view(b.rules.global == global_scale::divisor ? "a divisor" : "a multiplier"));
    if (a.rules.reciprocal != b.rules.reciprocal)
        parts.push_back(fmt::format("the {} multiplies by 1 / scale instead of dividing", a.rules.reciprocal ? "first" : "second"));
    if (a.rules.least_scale != b.rules.least_scale)
        add("least scale", a.rules.least_scale, b.rules.least_scale);
    if (parts.empty())
        return a == b ? "the same scheme" : "details of arithmetic: the order of operations and what becomes of tiny groups";
    return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace weightscope
