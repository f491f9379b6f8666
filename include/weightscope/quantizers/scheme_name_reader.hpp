#pragma once

#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>

#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

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

}  // namespace weightscope::detail
