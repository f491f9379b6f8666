#pragma once

#include <concepts>
#include <cstdint>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/device.hpp>
#include <weightscope/core/scalar_format.hpp>

namespace weightscope {

namespace detail {

// A wider integer would be rounded twice.
template <class Int>
concept exact_as_double = std::integral<Int> && sizeof(Int) <= 4;

}  // namespace detail

/// A number of at most 16 bits as it lies in a model file: its bits and nothing else.
///
///     const float16 w(0.1f);        // nearest half, halves to even
///     const float x = w * 2;        // computes in float: every code is exact as a float
///     float16::from_bits(0x3c00)    // 1
///
/// To float: exact; bits of a NaN's payload become the top of the float's, its quietness is kept.
/// From float or double: one rounding to nearest, halves to even. NaN stays NaN with the top of its payload. What rounds beyond
/// max_finite becomes Inf; in the formats without Inf, where the OCP specification leaves the choice between saturation and NaN,
/// it becomes NaN, as in PyTorch and ml_dtypes: a weight that does not fit must be seen. To saturate, clamp to ±max_finite first.
///
/// Trivially copyable and trivially constructible: memory of a file can be viewed as an array of these.
template <scalar_format Format>
struct storage_scalar
{
    using bits_type = typename detail::scalar_layout<Format>::bits_type;

    bits_type bits;

    static constexpr scalar_format format = Format;

    storage_scalar() = default;  // indeterminate, as a float is; storage_scalar{} has all bits 0

    WEIGHTSCOPE_HOST_DEVICE explicit constexpr storage_scalar(float x) noexcept : bits(from(x)) {}
    WEIGHTSCOPE_HOST_DEVICE explicit constexpr storage_scalar(double x) noexcept : bits(from(x)) {}
    template <detail::exact_as_double Int>
    WEIGHTSCOPE_HOST_DEVICE explicit constexpr storage_scalar(Int x) noexcept : bits(from(static_cast<double>(x)))
    {
    }

    [[nodiscard]] WEIGHTSCOPE_HOST_DEVICE static constexpr storage_scalar from_bits(bits_type code) noexcept
    {
        storage_scalar result{};
        result.bits = code;
        return result;
    }

    WEIGHTSCOPE_HOST_DEVICE constexpr operator float() const noexcept
    {
        return detail::bits_as<float>(detail::decode_bits<Format>(bits));
    }

    /// Largest finite value.
    static constexpr float max_finite =
        detail::bits_as<float>(detail::decode_bits<Format>(detail::scalar_layout<Format>::max_finite));
    /// Smallest positive value with a full mantissa; below it lie the subnormals and zero.
    static constexpr float min_normal = detail::bits_as<float>(
        detail::decode_bits<Format>(Format.special == special_codes::power_of_two ? 0u : 1u << Format.mantissa_bits));

private:
    template <class Real>
    WEIGHTSCOPE_HOST_DEVICE static constexpr bits_type from(Real x) noexcept
    {
        // a subnormal float is a normal e8m0: let it be normal on the way in
        if constexpr (Format.special == special_codes::power_of_two)
            return detail::encode<Format>(static_cast<double>(x));
        else
            return detail::encode<Format>(x);
    }
};

/// IEEE 754 binary16: max 65504, subnormals down to 2^-24.
using float16 = storage_scalar<scalar_format{.exponent_bits = 5, .mantissa_bits = 10, .bias = 15}>;

/// The upper half of a float.
using bfloat16 = storage_scalar<scalar_format{.exponent_bits = 8, .mantissa_bits = 7, .bias = 127}>;

/// OCP FP8 E4M3 (safetensors F8_E4M3, PyTorch float8_e4m3fn): max 448, no Inf, NaN 0x7f and 0xff.
/// Micikevicius et al. 2022, arXiv:2209.05433.
using float8_e4m3 = storage_scalar<scalar_format{
    .exponent_bits = 4, .mantissa_bits = 3, .bias = 7, .special = special_codes::nan_all_ones}>;

/// OCP FP8 E5M2 (safetensors F8_E5M2): max 57344, Inf and NaN as IEEE. Micikevicius et al. 2022, arXiv:2209.05433.
using float8_e5m2 = storage_scalar<scalar_format{.exponent_bits = 5, .mantissa_bits = 2, .bias = 15}>;

/// E4M3 with bias 8: max 240, no Inf, no -0, NaN 0x80. Noune et al. 2022, arXiv:2206.02915.
using float8_e4m3fnuz = storage_scalar<scalar_format{
    .exponent_bits = 4, .mantissa_bits = 3, .bias = 8, .special = special_codes::nan_negative_zero}>;

/// E5M2 with bias 16: max 57344, no Inf, no -0, NaN 0x80. Noune et al. 2022, arXiv:2206.02915.
using float8_e5m2fnuz = storage_scalar<scalar_format{
    .exponent_bits = 5, .mantissa_bits = 2, .bias = 16, .special = special_codes::nan_negative_zero}>;

/// Scale of the OCP MX blocks: code k is 2^(k-127), 0xff is NaN. Neither zero nor sign: zero and what is below 2^-127 become
/// 2^-127, negative numbers NaN; 1.5 · 2^k, between an odd and an even multiple of 2^k, becomes 2^(k+1) as in PyTorch.
/// OCP Microscaling Formats (MX) v1.0, 2023, section 5.4.1.
using float8_e8m0 = storage_scalar<scalar_format{
    .exponent_bits = 8, .mantissa_bits = 0, .bias = 127, .special = special_codes::power_of_two}>;

template <scalar_format Format>
inline constexpr bool is_storage_scalar<storage_scalar<Format>> = true;

}  // namespace weightscope
