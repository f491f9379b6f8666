#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// Magnitudes order like the integers of their bits, and so do signed numbers once all but the sign of negative ones is turned
// over; integer maxima vectorise under strict flags. Infinity and NaN lie outside all numbers.
template <class Real, bool Magnitudes>
struct order_key
{
    using type = std::make_signed_t<bits_of_value<Real>>;
    static constexpr auto mask = static_cast<type>(magnitude_mask<Real>);

    template <class Bits>  // an integer or a vector of them; its own inverse where signed
    [[gnu::always_inline]] static void apply_inplace(Bits& bits)
    {
        if constexpr (Magnitudes)
            bits &= mask;
        else
            bits ^= (bits >> (8 * static_cast<int>(sizeof(Real)) - 1)) & mask;
    }
    [[gnu::always_inline]] static Real value(type key)
    {
        apply_inplace(key);
        return std::bit_cast<Real>(key);
    }
};

template <class Vector>
[[gnu::always_inline]] inline void fold_half(Vector& low, Vector& high, const Vector& other_low, const Vector& other_high)
{
    low = other_low < low ? other_low : low;
    high = other_high > high ? other_high : high;
}

// Smallest and largest |x| (symmetric codes need no more) or x of each `group_size` neighbours.
template <class Real, bool Magnitudes>
struct range_kernel
{
    using key = order_key<Real, Magnitudes>;
    using bits = typename key::type;
    using vector = simd_vector<bits>;
    static constexpr std::size_t width = simd<bits>::width;

    [[gnu::always_inline]] static void read_keys(const Real* x, vector& keys)
    {
        std::memcpy(&keys, x, sizeof keys);
        key::apply_inplace(keys);
    }

    [[gnu::always_inline]] static void range_of(const Real* x, std::size_t count, Real& lowest, Real& highest)
    {
        vector low, high, v;
        if (count < width) {
            Real filled[width];
            for (std::size_t l = 0; l < width; ++l)
                filled[l] = x[l < count ? l : 0];
            read_keys(filled, low);
            high = low;
        } else {
            read_keys(x, low);
            high = low;
            for (std::size_t i = width; i + width <= count; i += width) {
                read_keys(x + i, v);
                fold_half(low, high, v, v);
            }
            read_keys(x + count - width, v);  // overlaps, which no extreme minds
            fold_half(low, high, v, v);
        }
        fold(low, high, lowest, highest);
    }

    // The extremes of all lanes.
    [[gnu::always_inline]] static void fold(vector& low, vector& high, Real& lowest, Real& highest)
    {
        if constexpr (width == 8) {
            fold_half(low, high, __builtin_shufflevector(low, low, 4, 5, 6, 7, 0, 1, 2, 3),
                      __builtin_shufflevector(high, high, 4, 5, 6, 7, 0, 1, 2, 3));
            fold_half(low, high, __builtin_shufflevector(low, low, 2, 3, 0, 1, 6, 7, 4, 5),
                      __builtin_shufflevector(high, high, 2, 3, 0, 1, 6, 7, 4, 5));
            fold_half(low, high, __builtin_shufflevector(low, low, 1, 0, 3, 2, 5, 4, 7, 6),
                      __builtin_shufflevector(high, high, 1, 0, 3, 2, 5, 4, 7, 6));
        } else {
            fold_half(low, high, __builtin_shufflevector(low, low, 2, 3, 0, 1), __builtin_shufflevector(high, high, 2, 3, 0, 1));
            fold_half(low, high, __builtin_shufflevector(low, low, 1, 0, 3, 2), __builtin_shufflevector(high, high, 1, 0, 3, 2));
        }
        lowest = key::value(low[0]);
        highest = key::value(high[0]);
    }

    [[gnu::always_inline]] void operator()(const Real* x, std::size_t count, std::size_t group_size, Real* lowest, Real* highest) const
    {
        for (std::size_t begin = 0; begin < count; begin += group_size, ++lowest, ++highest)
            range_of(x + begin, count - begin < group_size ? count - begin : group_size, *lowest, *highest);
    }
};

}  // namespace weightscope::detail
