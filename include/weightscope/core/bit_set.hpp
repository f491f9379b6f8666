#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/error.hpp>

namespace weightscope {

/// Some bits of a code by what they stand for or by number, whatever the width of the code.
///
///     parse_bit_set("exponent_sign")   // float16: 10 to 15, bfloat16: 7 to 15, int8: 7
struct bit_set
{
    std::string name = "all";           ///< canonical: "all", "mantissa", "exponent", "exponent_sign", "sign", ">=10", "14,15"
    bool mantissa = true;               ///< the mantissa of floats, the digits of whole numbers, the bits of an index
    bool exponent = true;
    bool sign = true;
    std::vector<unsigned> numbers = {};  ///< rising; where there are any, these and nothing else
    unsigned least = 0;                  ///< only bits from this on
};

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

/// The bits that a text names: `all` or `full`, `mantissa`, `exponent` or `exp`, `exponent_sign`, `exp_sign`, `sign_exp` or
/// `exponent&sign`, `sign`, numbers as `14,15`, or `>=10`.
///
/// Digits of whole numbers count as mantissa; the top bit of two's complement as sign.
///
/// @throws std::invalid_argument  it names none
[[nodiscard]] inline bit_set parse_bit_set(std::string_view text)
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

/// The bits of a code that belong to a set, rising; none where it has none of these, as a whole number has no exponent.
[[nodiscard]] inline std::vector<unsigned> bits_in(const bit_set& set, const bit_layout& layout)
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
