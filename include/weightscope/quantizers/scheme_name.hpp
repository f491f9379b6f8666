#pragma once

#include <charconv>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/element_grid.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

namespace detail {

// Takes the parts of a name from its front.
struct name_reader
{
    std::string_view rest;

    bool take(std::string_view part)
    {
        if (!rest.starts_with(part))
            return false;
        rest.remove_prefix(part.size());
        return true;
    }

    // a part that is followed by the end or by another one
    bool take_word(std::string_view word)
    {
        const std::string_view after = rest.substr(rest.size() < word.size() ? rest.size() : word.size());
        return (after.empty() || after.front() == '-') && take(word);
    }

    // `prefix` and a number
    template <class Number>
    bool take(std::string_view prefix, Number& number)
    {
        const std::string_view before = rest;
        if (take(prefix)) {
            const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
            if (error == std::errc()) {
                rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
                return true;
            }
        }
        rest = before;
        return false;
    }
};

inline bool take_granularity(name_reader& name, scheme& result)
{
    if (name.take_word("-per-tensor")) {
        result.granularity = scale_granularity::per_tensor;
    } else if (name.take_word("-per-channel")) {
        result.granularity = scale_granularity::per_channel;
        name.take("-axis", result.channel_axis);
    } else if (name.take("-g", result.group_size)) {
        result.granularity = scale_granularity::per_group;
    } else if (name.take("-block-", result.block_rows)) {
        result.granularity = scale_granularity::per_block;
        return name.take("x", result.block_cols);
    } else {
        return false;
    }
    return true;
}

inline void take_symmetry(name_reader& name, scheme& result)
{
    result.full_range = name.take_word("-full");
    result.symmetric = result.full_range || !name.take_word("-asym");
    if (result.symmetric && !result.full_range)
        name.take_word("-sym");
}

inline void take_rounding(name_reader& name, scheme& result)
{
    if (name.take_word("-half-away"))
        result.rounding = rounding_mode::half_away;
    else if (name.take_word("-stochastic") || name.take("-stochastic", result.seed))
        result.rounding = rounding_mode::stochastic;
}

inline void take_scale(name_reader& name, scheme& result)
{
    if (name.take_word("-scale-f16"))
        result.scale = scale_type::f16;
    else if (name.take_word("-scale-bf16"))
        result.scale = scale_type::bf16;
    else if (name.take_word("-scale-f64"))
        result.scale = scale_type::f64;
}

inline void take_search(name_reader& name, scheme& result)
{
    if (name.take_word("-mse"))
        result.search = range_search::mse;
    else if (name.take_word("-percentile") || name.take("-percentile", result.percentile))
        result.search = range_search::percentile;
    else if (name.take_word("-norm") || name.take("-norm", result.norm))
        result.search = range_search::p_norm;
}

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

inline const char* scale_name(scale_type type)
{
    switch (type) {
    case scale_type::f16: return "-scale-f16";
    case scale_type::bf16: return "-scale-bf16";
    case scale_type::f64: return "-scale-f64";
    case scale_type::f32:
    case scale_type::e8m0:
    case scale_type::e4m3: break;
    }
    return "";
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
        if (other == options)
            return std::string(c.name) + (groups == usual ? std::string() : groups);
    }
    std::string name(format_of(options.grid).name);
    if (options.grid == element_grid::integer)
        name += fmt::format("{}", options.bits);
    name += groups + rounding_name(options.rounding) + scale_name(options.scale);
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
        if (!name.take(known) || (!name.rest.empty() && (!take_granularity(name, found) || !name.rest.empty())))
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
        if (name.rest.empty()) {
            result = found;
            return true;
        }
    }
    return false;
}

}  // namespace detail

/// The name of a scheme: "int8-per-channel-asym", "int4-g64", "int4-block-32x32-scale-f16-mse", "fp8-e4m3-per-channel", "gptq-int4-g64".
/// A scheme with rules that no convention has is called "-custom", which no name is read as.
[[nodiscard]] inline std::string to_string(const scheme& options)
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
    switch (options.search) {
    case range_search::whole: break;
    case range_search::percentile: fmt::format_to(out, "-percentile{}", options.percentile); break;
    case range_search::mse: name += "-mse"; break;
    case range_search::p_norm: fmt::format_to(out, "-norm{}", options.norm); break;
    }
    return name;
}

/// The scheme of a name, the inverse of `to_string`.
///
///     intB-RANGE[-sym|-asym|-full][-half-away|-stochastic[SEED]][-scale-f16|bf16|f64][-mse|-percentile[P]|-norm[P]]
///     GRID[-RANGE][-half-away][-scale-f16|bf16]
///     CONVENTION[-RANGE]
///
///     RANGE       per-tensor, per-channel[-axisN], gN (groups of N along a row), block-RxC
///     GRID        fp8-e4m3, fp8-e5m2, fp8-e4m3fnuz, fp8-e5m2fnuz, fp6-e3m2, fp6-e2m3, fp4-e2m1 (per-tensor), nf4 (g64)
///     CONVENTION  see conventions(): gptq-int4, ggml-q4_0 or q4_0, ocp-mxfp4-floor or mxfp4, nvfp4-modelopt or nvfp4...
///
/// @throws std::invalid_argument  the name is not of that form, or a number in it is out of range
[[nodiscard]] inline scheme parse_scheme(std::string_view text)
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
