#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>

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

/// The bits that a text names: `all` or `full`, `mantissa`, `exponent` or `exp`, `exponent_sign`, `exp_sign`, `sign_exp` or
/// `exponent&sign`, `sign`, numbers as `14,15`, or `>=10`.
///
/// Digits of whole numbers count as mantissa; the top bit of two's complement as sign.
///
/// @throws std::invalid_argument  it names none
[[nodiscard]] WEIGHTSCOPE_INLINE bit_set parse_bit_set(std::string_view text);

/// The bits of a code that belong to a set, rising; none where it has none of these, as a whole number has no exponent.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<unsigned> bits_in(const bit_set& set, const bit_layout& layout);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/bit_set.hpp>
#endif
