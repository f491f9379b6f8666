#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

/// A weight and a neighbour of it, both as they are stored.
struct storage_step
{
    std::array<std::byte, 8> bytes{};  ///< the neighbour; the first `size` of them
    std::size_t size = 0;
    double distance = 0;  ///< neighbour - weight, which is what a difference must be divided by; 0 if there is no neighbour

    [[nodiscard]] std::span<const std::byte> stored() const { return std::span(bytes).first(size); }
};

/// True for the storage formats in which a weight can be moved by a small step: floating point with a sign.
[[nodiscard]] constexpr bool is_differentiable(dtype type)
{
    return type < dtype::float8_e8m0;
}

namespace detail {

template <class T>
struct code_of
{
    using bits_type = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::conditional_t<sizeof(T) == 4, std::uint32_t,
                                                                      std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
    static constexpr bits_type sign = static_cast<bits_type>(bits_type{1} << (8 * sizeof(T) - 1));

    // codes in the order of the numbers, -0 and 0 alike
    static std::int64_t order(T x)
    {
        const auto bits = std::bit_cast<bits_type>(x);
        const auto magnitude = static_cast<std::int64_t>(bits & static_cast<bits_type>(~sign));
        return (bits & sign) != 0 ? -magnitude : magnitude;
    }
    static T number(std::int64_t order)
    {
        const auto magnitude = static_cast<bits_type>(order < 0 ? -order : order);
        return std::bit_cast<T>(static_cast<bits_type>(order < 0 ? magnitude | sign : magnitude));
    }
    static std::int64_t largest()
    {
        if constexpr (is_storage_scalar<T>)
            return order(T(T::max_finite));
        else
            return order(std::numeric_limits<T>::max());
    }
};

template <class T>
T weight_of(const std::byte* bytes)
{
    T weight;
    std::memcpy(&weight, bytes, sizeof weight);
    return weight;
}

// Calls f(std::type_identity<T>) for a dtype of is_differentiable().
template <class F>
decltype(auto) with_real(dtype type, F&& f)
{
    switch (type) {
    case dtype::float64: return f(std::type_identity<double>{});
    case dtype::float16: return f(std::type_identity<float16>{});
    case dtype::bfloat16: return f(std::type_identity<bfloat16>{});
    case dtype::float8_e4m3: return f(std::type_identity<float8_e4m3>{});
    case dtype::float8_e5m2: return f(std::type_identity<float8_e5m2>{});
    case dtype::float8_e4m3fnuz: return f(std::type_identity<float8_e4m3fnuz>{});
    case dtype::float8_e5m2fnuz: return f(std::type_identity<float8_e5m2fnuz>{});
    default: return f(std::type_identity<float>{});
    }
}

// The weight `codes` places up or down, as far as there are finite ones.
template <class T>
T moved_by_codes(T weight, std::int64_t codes)
{
    const std::int64_t largest = code_of<T>::largest();
    const std::int64_t order = code_of<T>::order(weight) + codes;
    return code_of<T>::number(order > largest ? largest : order < -largest ? -largest : order);
}

WEIGHTSCOPE_INLINE double stored_value(dtype type, const std::byte* bytes);

WEIGHTSCOPE_INLINE void store_value(dtype type, double value, std::byte* bytes);

}  // namespace detail

/// The stored number nearest to weight + step, and how far it really is from the weight.
///
/// Never a step of less than two places of the format: a step that rounds to the weight itself, or to its neighbour, becomes one of two
/// places. A step beyond the largest finite number stops there; if fewer than two places are left, there is none.
///
/// @param type    floating point with a sign, see is_differentiable()
/// @param weight  the weight as it is stored; finite
/// @param step    the step asked for; its sign counts even if it is tiny, and 0 counts as positive
/// @throws std::invalid_argument  the dtype has no such steps, or the weight or the step is not finite
[[nodiscard]] WEIGHTSCOPE_INLINE storage_step make_storage_step(dtype type, std::span<const std::byte> weight, double step);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/storage_step.hpp>
#endif
