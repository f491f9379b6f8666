#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

namespace detail {

inline unsigned parse_bit_number(std::string_view text, std::string_view whole)
{
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    require(error == std::errc() && end == text.data() + text.size() && number < 64,
            "parse_bit_set(text): no bit set is named '{}', expected all, mantissa, exponent, exponent_sign, sign, numbers from 0 to 63 "
            "with commas between them, or >=NUMBER",
            whole);
    return number;
}

}  // namespace detail

WEIGHTSCOPE_INLINE bit_set parse_bit_set(std::string_view text)
{
    if (text == "all" || text == "full")
        return {};
    if (text == "mantissa")
        return {.name = "mantissa", .exponent = false, .sign = false};
    if (text == "exponent" || text == "exp")
        return {.name = "exponent", .mantissa = false, .sign = false};
    if (text == "exponent_sign" || text == "exp_sign" || text == "sign_exp" || text == "exponent&sign")
        return {.name = "exponent_sign", .mantissa = false};
    if (text == "sign")
        return {.name = "sign", .mantissa = false, .exponent = false};
    bit_set result;
    if (text.starts_with(">=")) {
        result.least = detail::parse_bit_number(text.substr(2), text);
        result.name = fmt::format(">={}", result.least);
        return result;
    }
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t comma = std::min(text.find(',', begin), text.size());
        result.numbers.push_back(detail::parse_bit_number(text.substr(begin, comma - begin), text));
        begin = comma + 1;
    }
    std::sort(result.numbers.begin(), result.numbers.end());
    result.numbers.erase(std::unique(result.numbers.begin(), result.numbers.end()), result.numbers.end());
    result.name = fmt::format("{}", fmt::join(result.numbers, ","));
    return result;
}

WEIGHTSCOPE_INLINE std::vector<unsigned> bits_in(const bit_set& set, const bit_layout& layout)
{
    std::vector<unsigned> result;
    for (unsigned bit = set.least; bit < layout.bits; ++bit) {
        if (!set.numbers.empty()) {
            if (std::binary_search(set.numbers.begin(), set.numbers.end(), bit))
                result.push_back(bit);
            continue;
        }
        const bit_class kind = class_of_bit(layout, bit);
        if (kind == bit_class::sign ? set.sign : kind == bit_class::exponent ? set.exponent : set.mantissa)
            result.push_back(bit);
    }
    return result;
}

}  // namespace weightscope
