#pragma once

#include <charconv>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
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

}  // namespace detail

/// The name of a scheme: "int8-per-channel-asym", "int4-g64", "int4-block-32x32-scale-f16-mse".
[[nodiscard]] inline std::string to_string(const scheme& options)
{
    std::string name = fmt::format("int{}", options.bits);
    const auto out = std::back_inserter(name);
    const char* symmetry = !options.symmetric ? "-asym" : options.full_range ? "-full" : "";
    switch (options.granularity) {
    case scale_granularity::per_tensor: name += "-per-tensor"; break;
    case scale_granularity::per_channel:
        name += "-per-channel";
        if (options.channel_axis != 0)
            fmt::format_to(out, "-axis{}", options.channel_axis);
        break;
    case scale_granularity::per_group: fmt::format_to(out, "-g{}", options.group_size); break;
    case scale_granularity::per_block: fmt::format_to(out, "-block-{}x{}", options.block_rows, options.block_cols); break;
    }
    const bool named_symmetry =
        options.granularity == scale_granularity::per_tensor || options.granularity == scale_granularity::per_channel;
    name += *symmetry == '\0' && named_symmetry ? "-sym" : symmetry;
    if (options.rounding == rounding_mode::half_away)
        name += "-half-away";
    if (options.rounding == rounding_mode::stochastic)
        fmt::format_to(out, "-stochastic{}", options.seed);
    switch (options.scale) {
    case scale_type::f32: break;
    case scale_type::f16: name += "-scale-f16"; break;
    case scale_type::bf16: name += "-scale-bf16"; break;
    case scale_type::f64: name += "-scale-f64"; break;
    }
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
///     RANGE: per-tensor, per-channel[-axisN], gN (groups of N along a row), block-RxC
///
/// @throws std::invalid_argument  the name is not of that form, or a number in it is out of range
[[nodiscard]] inline scheme parse_scheme(std::string_view text)
{
    scheme result;
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
            "or -scale-f64; -mse, -percentile[P] or -norm[P]; such as int8-per-channel-sym or int4-g64-asym",
            text);
    require_scheme(result, "parse_scheme(text)", result.channel_axis + 1);
    return result;
}

}  // namespace weightscope
