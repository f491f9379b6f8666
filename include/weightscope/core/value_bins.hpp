#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace weightscope::detail {

// 65,536 bins that cut the real line at numbers of 8 significant bits: bin b holds the finite w with edge(b) <= |w| < edge(b + 1),
// b = 0x8000 + m for w >= +0 and 0x7fff - m for w <= -0, so that bins ascend with the values. A magnitude index m is the top 16
// bits of a float, sign left out; doubles beyond the range of normal floats fall into the first and the last finite bin.
inline constexpr std::size_t value_bin_count = 65536;
inline constexpr std::uint32_t finite_magnitude_bins = 0x7f80;  // m of every finite value is below

template <std::floating_point T>
using bits_of_value = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// All bits but the sign.
template <std::floating_point T>
inline constexpr bits_of_value<T> magnitude_mask = static_cast<bits_of_value<T>>(~bits_of_value<T>{0}) >> 1;

// The 16 bits (sign, m) of a weight; m >= finite_magnitude_bins where it is not finite.
template <std::floating_point T>
[[gnu::always_inline]] inline std::uint32_t signed_magnitude_bin(T weight)
{
    const auto bits = std::bit_cast<bits_of_value<T>>(weight);
    if constexpr (sizeof(T) == 4) {
        return bits >> 16;
    } else {
        constexpr std::int64_t rebias = std::int64_t{1023 - 127} << 7;
        const auto sign = static_cast<std::uint32_t>(bits >> 63) << 15;
        const auto magnitude = static_cast<std::int64_t>((bits & 0x7fffffffffffffffu) >> 45);  // exponent and 7 bits of the mantissa
        constexpr std::int64_t non_finite = std::int64_t{0x7ff} << 7;
        const std::int64_t m = std::clamp<std::int64_t>(magnitude - rebias, 0, finite_magnitude_bins - 1);
        // below the smallest normal float there is one bin
        return sign | (magnitude >= non_finite ? finite_magnitude_bins : m < 0x80 ? 0 : static_cast<std::uint32_t>(m));
    }
}

// Position of (sign, m) in ascending order of the values.
[[gnu::always_inline]] inline std::uint32_t ascending_bin(std::uint32_t signed_magnitude)
{
    return signed_magnitude & 0x8000 ? 0xffff - signed_magnitude : 0x8000 + signed_magnitude;
}

[[nodiscard]] inline std::uint32_t signed_magnitude_of_bin(std::size_t bin)
{
    return static_cast<std::uint32_t>(bin >= 0x8000 ? bin - 0x8000 : 0xffff - bin);
}

[[nodiscard]] inline std::uint32_t magnitude_of_bin(std::size_t bin)
{
    return static_cast<std::uint32_t>(bin >= 0x8000 ? bin - 0x8000 : 0x7fff - bin);
}

// Smallest magnitude of bin m; infinity past the last finite one.
template <std::floating_point T>
[[nodiscard]] double magnitude_edge(std::uint32_t m)
{
    if (m >= finite_magnitude_bins)
        return std::numeric_limits<double>::infinity();
    if (sizeof(T) == 8 && m > 0 && m < 0x80)
        m = 0x80;
    return static_cast<double>(std::bit_cast<float>(m << 16));
}

// The finite values w of a bin satisfy lower <= w <= upper.
struct bin_range
{
    double lower = 0, upper = 0;
};

template <std::floating_point T>
[[nodiscard]] bin_range range_of_bin(std::size_t bin)
{
    const std::uint32_t m = magnitude_of_bin(bin);
    const double inner = magnitude_edge<T>(m), outer = magnitude_edge<T>(m + 1);
    return bin >= 0x8000 ? bin_range{inner, outer} : bin_range{-outer, -inner};
}

// The bin that a finite value x falls into.
template <std::floating_point T>
[[nodiscard]] std::size_t bin_of(double x)
{
    if constexpr (sizeof(T) == 8)
        return ascending_bin(signed_magnitude_bin(x));
    // a double between two floats belongs to the bin of the one nearer to zero
    const double limit = static_cast<double>(std::numeric_limits<float>::max());
    auto nearest = static_cast<float>(std::clamp(x, -limit, limit));
    if (std::fabs(static_cast<double>(nearest)) > std::fabs(x))
        nearest = std::bit_cast<float>(std::bit_cast<std::uint32_t>(nearest) - 1);
    return ascending_bin(signed_magnitude_bin(nearest));
}

}  // namespace weightscope::detail
