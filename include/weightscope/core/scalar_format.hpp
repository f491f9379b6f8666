#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <weightscope/core/device.hpp>

namespace weightscope {

/// Which codes of a storage format are not plain numbers.
enum class special_codes
{
    ieee,               ///< largest exponent: Inf and NaN with payload; both zeros
    nan_all_ones,       ///< no Inf; NaN is ±(all ones); both zeros ("fn" of the OCP formats)
    nan_negative_zero,  ///< no Inf; the only NaN is the code of -0, which does not exist ("fnuz")
    power_of_two,       ///< no sign, no zero, no Inf, no subnormals; NaN is all ones (e8m0)
};

/// A storage format of at most 16 bits: [sign] [exponent] [mantissa], from the highest bit down.
struct scalar_format
{
    int exponent_bits = 0;
    int mantissa_bits = 0;
    int bias = 0;  ///< 1.0 has the exponent field `bias`
    special_codes special = special_codes::ieee;
};

namespace detail {

// std::bit_cast cannot be called from device code; the built-in behind it can.
template <class To, class From>
WEIGHTSCOPE_HOST_DEVICE constexpr To bits_as(From x) noexcept
{
    static_assert(sizeof(To) == sizeof(From));
    return __builtin_bit_cast(To, x);
}

template <std::floating_point Real>
struct real_layout;
template <>
struct real_layout<float>
{
    using bits_type = std::uint32_t;
    static constexpr int mantissa_bits = 23, bias = 127;
};
template <>
struct real_layout<double>
{
    using bits_type = std::uint64_t;
    static constexpr int mantissa_bits = 52, bias = 1023;
};

template <scalar_format F>
struct scalar_layout
{
    static constexpr bool has_sign = F.special != special_codes::power_of_two;
    static constexpr int sign_shift = F.exponent_bits + F.mantissa_bits;
    static constexpr unsigned magnitude_mask = (1u << sign_shift) - 1;
    static constexpr unsigned exponent_mask = magnitude_mask & ~((1u << F.mantissa_bits) - 1);
    static constexpr unsigned max_finite = F.special == special_codes::ieee                ? exponent_mask - 1
                                           : F.special == special_codes::nan_negative_zero ? magnitude_mask
                                                                                           : magnitude_mask - 1;
    using bits_type = std::conditional_t<(sign_shift + has_sign > 8), std::uint16_t, std::uint8_t>;
    static_assert(sign_shift + has_sign <= 16 && F.bias <= real_layout<float>::bias);
};

// GCC keeps a floating-point operation inside the branch that uses it, and then does not vectorise; a mask leaves it no branch.
WEIGHTSCOPE_HOST_DEVICE constexpr std::uint32_t select_bits(bool condition, std::uint32_t yes,
                                                            std::uint32_t no) noexcept
{
    const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
    return (yes & mask) | (no & ~mask);
}

/// Bits of the float that has exactly the value of `code`. No branch, so that a loop over an array vectorises.
template <scalar_format F>
WEIGHTSCOPE_HOST_DEVICE constexpr std::uint32_t decode_bits(std::uint32_t code) noexcept
{
    using layout = scalar_layout<F>;
    using real = real_layout<float>;
    constexpr std::uint32_t nan = 0x7fc00000u;
    constexpr int to_mantissa = real::mantissa_bits - F.mantissa_bits;

    if constexpr (F.special == special_codes::power_of_two) {
        const std::uint32_t power = code == 0 ? 1u << (real::mantissa_bits - 1) : code << real::mantissa_bits;
        return code == layout::magnitude_mask ? nan : power;
    } else {
        const std::uint32_t magnitude = code & layout::magnitude_mask;
        const std::uint32_t shifted = magnitude << to_mantissa;
        const std::uint32_t sign = (code >> layout::sign_shift & 1u) << 31;
        if constexpr (F.special == special_codes::ieee && F.bias == real::bias) {
            return sign | shifted;  // bfloat16 is the upper half of a float
        } else {
            constexpr std::uint32_t rebias = static_cast<std::uint32_t>(real::bias - F.bias) << real::mantissa_bits;
            constexpr std::uint32_t lowest = rebias + (1u << real::mantissa_bits);
            // 2^(1-bias) · (1 + m) - 2^(1-bias): the subnormal's value, without a subnormal float on the way
            const auto subnormal = bits_as<std::uint32_t>(bits_as<float>(shifted + lowest) - bits_as<float>(lowest));
            std::uint32_t value = select_bits(magnitude < (1u << F.mantissa_bits), subnormal, shifted + rebias);
            if constexpr (F.special == special_codes::ieee)
                value = select_bits(magnitude >= layout::exponent_mask, shifted | 0x7f800000u, value);
            if constexpr (F.special == special_codes::nan_all_ones)
                value = select_bits(magnitude == layout::magnitude_mask, nan, value);
            if constexpr (F.special == special_codes::nan_negative_zero)
                return select_bits(code == layout::magnitude_mask + 1, nan, sign | value);
            return sign | value;
        }
    }
}

/// Code nearest to `x`, halves to even, rounded once whatever the width of `x`.
template <scalar_format F, std::floating_point Real>
WEIGHTSCOPE_HOST_DEVICE constexpr typename scalar_layout<F>::bits_type encode(Real x) noexcept
{
    using layout = scalar_layout<F>;
    using real = real_layout<Real>;
    using word = typename real::bits_type;
    constexpr int width = real::mantissa_bits;
    constexpr word hidden = word{1} << width;
    constexpr bool power_of_two = F.special == special_codes::power_of_two;
    // e8m0 is read as a format whose codes are one higher and whose code 0 stands for everything that rounds below 2^-127
    constexpr int bias = power_of_two ? F.bias + 1 : F.bias;

    const word pattern = bits_as<word>(x);
    const word magnitude = pattern & (~word{0} >> 1);
    const word sign = pattern >> (8 * sizeof(word) - 1);
    const word field = magnitude >> width;
    const word significand = field == 0 ? magnitude : (magnitude & (hidden - 1)) | hidden;
    const int exponent = (field == 0 ? 1 : static_cast<int>(field)) - real::bias;

    // the last place is 2^(exponent - mantissa_bits), and `below` places higher where the target is subnormal
    const int below = exponent < 1 - bias ? 1 - bias - exponent : 0;
    const int wanted = width - F.mantissa_bits + below;
    const int shift = wanted < width + 2 ? wanted : width + 2;  // everything is below half a place from here on
    const word half_less_one = (word{1} << (shift - 1)) - 1;
    const word rounded = (significand + half_less_one + (significand >> shift & 1u)) >> shift;
    // a carry out of the mantissa raises the exponent by itself
    word code = (static_cast<word>(exponent + below + bias - 1) << F.mantissa_bits) + rounded;

    constexpr word infinity = (~word{0} >> 1) & ~(hidden - 1);
    if constexpr (power_of_two) {
        code = code == 0 ? 0 : code - 1;
        const bool no_code = code > layout::max_finite || magnitude >= infinity || (sign != 0 && magnitude != 0);
        return static_cast<typename layout::bits_type>(no_code ? layout::magnitude_mask : code);
    } else if constexpr (F.special == special_codes::nan_negative_zero) {
        const bool no_code = code > layout::max_finite || magnitude >= infinity;
        code |= (code == 0 ? 0 : sign) << layout::sign_shift;
        return static_cast<typename layout::bits_type>(no_code ? layout::magnitude_mask + 1 : code);
    } else if constexpr (F.special == special_codes::nan_all_ones) {
        code = code > layout::max_finite || magnitude >= infinity ? layout::magnitude_mask : code;
        return static_cast<typename layout::bits_type>(code | sign << layout::sign_shift);
    } else {
        const word payload = (magnitude & (hidden - 1)) >> (width - F.mantissa_bits);
        const word nan = layout::exponent_mask | (payload == 0 ? word{1} << (F.mantissa_bits - 1) : payload);
        code = code > layout::max_finite ? layout::exponent_mask : code;
        code = magnitude > infinity ? nan : code;
        return static_cast<typename layout::bits_type>(code | sign << layout::sign_shift);
    }
}

}  // namespace detail

}  // namespace weightscope
