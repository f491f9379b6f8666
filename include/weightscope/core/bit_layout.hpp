#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/scalar_format.hpp>
#include <weightscope/core/scalars.hpp>

namespace weightscope {

/// What a bit of a stored number stands for.
enum class bit_class
{
    sign,       ///< of a float, or the top bit of two's complement
    exponent,
    mantissa,
    magnitude,  ///< a digit of a whole number
    index,      ///< of a place in a table of values
};

[[nodiscard]] constexpr std::string_view to_string(bit_class kind)
{
    constexpr std::string_view names[] = {"sign", "exponent", "mantissa", "magnitude", "index"};
    return names[static_cast<int>(kind)];
}

/// How a code is read.
enum class code_kind
{
    floating,
    two_complement,
    offset_binary,  ///< a whole number without sign, less `offset`
    table,
};

/// What the bits of a stored number stand for, bit 0 the least significant: a float is [sign] [exponent] [mantissa] from the top down.
struct bit_layout
{
    code_kind kind = code_kind::floating;
    unsigned bits = 32;                           ///< of a code, 1 to 64
    unsigned exponent_bits = 8;                   ///< of a float
    unsigned mantissa_bits = 23;
    int bias = 127;                               ///< 1.0 has this exponent
    special_codes special = special_codes::ieee;  ///< which codes of a float are no numbers
    bool all_finite = false;                      ///< none: all codes are numbers
    int offset = 0;                               ///< of offset_binary
    double (*value)(std::uint64_t code) = nullptr;  ///< of a table, or of a float with habits of its own

    friend bool operator==(const bit_layout&, const bit_layout&) = default;
};

namespace detail {

constexpr std::uint64_t bit_mask(unsigned bits)
{
    return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

inline double bit_float_value(const bit_layout& layout, std::uint64_t code)
{
    constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    const unsigned magnitude_bits = layout.exponent_bits + layout.mantissa_bits;
    const std::uint64_t magnitude = code & bit_mask(magnitude_bits), mantissa = code & bit_mask(layout.mantissa_bits);
    const auto field = static_cast<int>(magnitude >> layout.mantissa_bits);
    const bool negative = layout.bits > magnitude_bits && (code >> magnitude_bits & 1) != 0;
    if (layout.special == special_codes::power_of_two)
        return magnitude == bit_mask(magnitude_bits) && !layout.all_finite ? nan : std::ldexp(1.0, field - layout.bias);
    if (!layout.all_finite) {
        if (layout.special == special_codes::ieee && magnitude >> layout.mantissa_bits == bit_mask(layout.exponent_bits))
            return mantissa != 0 ? nan : negative ? -infinity : infinity;
        if (layout.special == special_codes::nan_all_ones && magnitude == bit_mask(magnitude_bits))
            return nan;
        if (layout.special == special_codes::nan_negative_zero && negative && magnitude == 0)
            return nan;
    }
    const std::uint64_t hidden = field == 0 ? 0 : std::uint64_t{1} << layout.mantissa_bits;
    const int exponent = (field == 0 ? 1 : field) - layout.bias - static_cast<int>(layout.mantissa_bits);
    const double value = std::ldexp(static_cast<double>(mantissa | hidden), exponent);
    return negative ? -value : value;
}

}  // namespace detail

/// The layout of a scalar type: float, double, the storage scalars, integers.
template <weight_scalar T>
    requires(!std::same_as<T, long double>)
[[nodiscard]] constexpr bit_layout bit_layout_of()
{
    if constexpr (is_storage_scalar<T>) {
        constexpr scalar_format format = T::format;
        return {.bits = 8 * sizeof(T),
                .exponent_bits = static_cast<unsigned>(format.exponent_bits),
                .mantissa_bits = static_cast<unsigned>(format.mantissa_bits),
                .bias = format.bias,
                .special = format.special};
    } else if constexpr (std::same_as<T, double>) {
        return {.bits = 64, .exponent_bits = 11, .mantissa_bits = 52, .bias = 1023};
    } else if constexpr (std::same_as<T, float>) {
        return {};
    } else {
        return {.kind = std::is_signed_v<T> ? code_kind::two_complement : code_kind::offset_binary,
                .bits = 8 * sizeof(T),
                .exponent_bits = 0,
                .mantissa_bits = 0,
                .bias = 0};
    }
}

/// A whole number of so many bits: two's complement, or without sign and less `offset`.
[[nodiscard]] constexpr bit_layout signed_bits(unsigned bits)
{
    return {.kind = code_kind::two_complement, .bits = bits, .exponent_bits = 0, .mantissa_bits = 0, .bias = 0};
}
[[nodiscard]] constexpr bit_layout unsigned_bits(unsigned bits, int offset = 0)
{
    return {.kind = code_kind::offset_binary, .bits = bits, .exponent_bits = 0, .mantissa_bits = 0, .bias = 0, .offset = offset};
}

/// A float with a sign and no codes that are no numbers, as E2M1 of the MX formats.
[[nodiscard]] constexpr bit_layout small_float_bits(unsigned exponent_bits, unsigned mantissa_bits, int bias)
{
    return {.bits = 1 + exponent_bits + mantissa_bits,
            .exponent_bits = exponent_bits,
            .mantissa_bits = mantissa_bits,
            .bias = bias,
            .all_finite = true};
}

/// What a bit stands for.
///
/// @param bit  0 is the least significant
/// @throws std::invalid_argument  the code has no such bit
[[nodiscard]] inline bit_class class_of_bit(const bit_layout& layout, unsigned bit)
{
    require(bit < layout.bits, "class_of_bit(layout, bit): found {}, expected 0 to {}", bit, layout.bits - 1);
    switch (layout.kind) {
    case code_kind::two_complement: return bit + 1 == layout.bits ? bit_class::sign : bit_class::magnitude;
    case code_kind::offset_binary: return bit_class::magnitude;
    case code_kind::table: return bit_class::index;
    case code_kind::floating: break;
    }
    return bit < layout.mantissa_bits                          ? bit_class::mantissa
           : bit < layout.mantissa_bits + layout.exponent_bits ? bit_class::exponent
                                                               : bit_class::sign;
}

/// The number that a code stands for. Exact, but for integers beyond 2^53.
///
/// @param code  bits beyond those of the layout do not count
[[nodiscard]] inline double value_of_code(const bit_layout& layout, std::uint64_t code)
{
    code &= detail::bit_mask(layout.bits);
    if (layout.value != nullptr)
        return layout.value(code);
    if (layout.kind == code_kind::floating)
        return detail::bit_float_value(layout, code);
    if (layout.kind == code_kind::offset_binary)
        return static_cast<double>(code) - layout.offset;
    const unsigned unused = 64 - layout.bits;
    return static_cast<double>(static_cast<std::int64_t>(code << unused) >> unused);
}

/// What a flip makes of a number.
enum class flip_outcome
{
    finite,     ///< another number
    unchanged,  ///< the same one: 0 and -0
    infinite,
    nan,
};

[[nodiscard]] constexpr std::string_view to_string(flip_outcome outcome)
{
    constexpr std::string_view names[] = {"finite", "unchanged", "infinite", "nan"};
    return names[static_cast<int>(outcome)];
}

/// One flipped bit.
struct bit_flip
{
    std::uint64_t old_code = 0, new_code = 0;
    double old_value = 0, new_value = 0;
    double change = 0;  ///< new - old, rounded once; NaN unless both are finite
    flip_outcome outcome = flip_outcome::finite;
};

namespace detail {

inline flip_outcome bit_outcome(double old_value, double new_value)
{
    return std::isnan(new_value)      ? flip_outcome::nan
           : std::isinf(new_value)    ? flip_outcome::infinite
           : new_value == old_value   ? flip_outcome::unchanged
                                      : flip_outcome::finite;
}

}  // namespace detail

/// What becomes of a number when a bit of its code is flipped.
///
///     flip_change(bit_layout_of<float16>(), 0x0000, 14).new_value   // 2
///     flip_change(bit_layout_of<std::int8_t>(), 21, 7).new_value    // -107
///
/// @param code  bits beyond those of the layout must be 0
/// @throws std::invalid_argument  the code has no such bit, or more bits
[[nodiscard]] inline bit_flip flip_change(const bit_layout& layout, std::uint64_t code, unsigned bit)
{
    require(bit < layout.bits, "flip_change(layout, code, bit): bit is {}, expected 0 to {}", bit, layout.bits - 1);
    require(code <= detail::bit_mask(layout.bits), "flip_change(layout, code, bit): the code {:#x} has more than {} bits", code, layout.bits);
    bit_flip flip{.old_code = code, .new_code = code ^ std::uint64_t{1} << bit};
    flip.old_value = value_of_code(layout, flip.old_code);
    flip.new_value = value_of_code(layout, flip.new_code);
    flip.outcome = detail::bit_outcome(flip.old_value, flip.new_value);
    flip.change = flip.new_value - flip.old_value;
    if (!std::isfinite(flip.change))
        flip.change = std::numeric_limits<double>::quiet_NaN();
    if (layout.kind == code_kind::two_complement || layout.kind == code_kind::offset_binary) {  // whole numbers may be rounded, not so their change
        const bool falls = (code >> bit & 1) != 0, negative = layout.kind == code_kind::two_complement && bit + 1 == layout.bits;
        flip.change = std::ldexp(falls != negative ? -1.0 : 1.0, static_cast<int>(bit));
        flip.outcome = flip_outcome::finite;
    }
    return flip;
}

}  // namespace weightscope
