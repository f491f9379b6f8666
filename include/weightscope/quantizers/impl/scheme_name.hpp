#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/scheme_name_reader.hpp>

namespace weightscope {

namespace detail {

inline std::string granularity_name(const scheme& options)
{
    switch (options.granularity) {
    case scale_granularity::per_tensor: return "-per-tensor";
    case scale_granularity::per_channel: return options.channel_axis == 0 ? "-per-channel" : fmt::format("-per-channel-axis{}", options.channel_axis);
    case scale_granularity::per_group: return fmt::format("-g{}", options.group_size);
    case scale_granularity::per_block: return fmt::format("-block-{}x{}", options.block_rows, options.block_cols);
    }
    return {};
}

inline const char* rounding_name(rounding_mode rounding)
{
    return rounding == rounding_mode::half_away ? "-half-away" : "";
}

inline std::string search_name(const scheme& options)
{
    switch (options.search) {
    case range_search::whole: break;
    case range_search::percentile: return fmt::format("-percentile{}", options.percentile);
    case range_search::mse: return "-mse";
    case range_search::p_norm: return fmt::format("-norm{}", options.norm);
    }
    return {};
}

// Names that are not made of parts: those of conventions, with another granularity behind them if they have one; and those of grids.
inline std::string special_name(const scheme& options)
{
    const std::string groups = granularity_name(options);
    for (const convention& c : conventions()) {
        scheme other = c.options;
        const std::string usual = granularity_name(other);
        other.granularity = options.granularity;
        other.group_size = options.group_size;
        other.channel_axis = options.channel_axis;
        other.block_rows = options.block_rows;
        other.block_cols = options.block_cols;
        other.search = options.search;
        other.percentile = options.percentile;
        other.norm = options.norm;
        if (other == options)
            return std::string(c.name) + (groups == usual ? std::string() : groups) + search_name(options);
    }
    std::string name(format_of(options.grid).name);
    if (options.grid == element_grid::integer)
        name += fmt::format("{}", options.bits);
    name += groups + rounding_name(options.rounding) + scale_name(options.scale) + search_name(options);
    scheme usual = options;  // but for what the name tells
    usual.rules = {};
    usual.rounding = options.rounding <= rounding_mode::half_away ? options.rounding : rounding_mode::half_even;
    return options.grid != element_grid::integer && usual == options ? name : name + "-custom";
}

inline bool read_special_name(std::string_view text, scheme& result)
{
    const auto read = [&](std::string_view known, const scheme& options) {
        name_reader name{text};
        scheme found = options;
        if (!name.take(known))
            return false;
        (void)take_granularity(name, found);
        take_search(name, found);
        if (!name.rest.empty())
            return false;
        result = found;
        return true;
    };
    for (const convention& c : conventions())
        if (read(c.name, c.options))
            return true;
    for (const convention_alias& a : convention_aliases)
        for (const convention& c : conventions())
            if (c.name == a.name && read(a.alias, c.options))
                return true;
    for (std::size_t g = 1; g < grid_formats.size(); ++g) {
        const auto grid = static_cast<element_grid>(g);
        name_reader name{text};
        scheme found = grid == element_grid::nf4 ? grouped(grid_scheme(grid), 64) : grid_scheme(grid);
        if (!name.take_word(format_of(grid).name))
            continue;
        (void)take_granularity(name, found);
        if (name.take_word("-half-away"))
            found.rounding = rounding_mode::half_away;
        take_scale(name, found);
        take_search(name, found);
        if (name.rest.empty()) {
            result = found;
            return true;
        }
    }
    return false;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_string(const scheme& options)
{
    if (!options.plain())
        return detail::special_name(options);
    std::string name = fmt::format("int{}", options.bits) + detail::granularity_name(options);
    const auto out = std::back_inserter(name);
    const char* symmetry = !options.symmetric ? "-asym" : options.full_range ? "-full" : "";
    const bool named_symmetry =
        options.granularity == scale_granularity::per_tensor || options.granularity == scale_granularity::per_channel;
    name += *symmetry == '\0' && named_symmetry ? "-sym" : symmetry;
    name += detail::rounding_name(options.rounding);
    if (options.rounding == rounding_mode::stochastic)
        fmt::format_to(out, "-stochastic{}", options.seed);
    name += detail::scale_name(options.scale);
    name += detail::search_name(options);
    return name;
}

WEIGHTSCOPE_INLINE scheme parse_scheme(std::string_view text)
{
    scheme result;
    if (detail::read_special_name(text, result)) {
        require_scheme(result, "parse_scheme(text)", result.channel_axis + 1);
        return result;
    }
    detail::name_reader name{text};
    const bool begins = name.take("int", result.bits) && detail::take_granularity(name, result);
    if (begins) {
        detail::take_symmetry(name, result);
        detail::take_rounding(name, result);
        detail::take_scale(name, result);
        detail::take_search(name, result);
    }
    require(begins && name.rest.empty(),
            "parse_scheme(text): no scheme is named '{}', expected intB (B = 2 to 8 or 16), then -per-tensor, -per-channel[-axisN], -gN or "
            "-block-RxC, then where wanted, in this order, -sym, -asym or -full; -half-away or -stochastic[SEED]; -scale-f16, -scale-bf16 "
            "or -scale-f64; -mse, -percentile[P] or -norm[P]; such as int8-per-channel-sym or int4-g64-asym; or another grid or the "
            "convention of a runtime, such as fp8-e4m3, nf4-g64, mxfp4, nvfp4, q4_0 or gptq-int4",
            text);
    require_scheme(result, "parse_scheme(text)", result.channel_axis + 1);
    return result;
}

}  // namespace weightscope
