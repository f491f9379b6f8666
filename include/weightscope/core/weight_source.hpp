#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/dispatch.hpp>

namespace weightscope::detail {

// The elements of a tensor, whatever their type: what follows is compiled once, not once for each of some twenty types.
// Refers to the elements, owns nothing.
struct weight_source
{
    template <class Real>
    using reader = void (*)(const void* data, std::size_t begin, std::size_t count, Real* out);

    const void* data = nullptr;
    std::size_t size = 0;
    std::size_t element_bytes = 1;
    double min_normal = 0;                 // smallest normal magnitude; 0 for integers
    bool is_float = false;                 // data points to float
    bool is_double = false;                // data points to double
    reader<float> read_float = nullptr;    // none where float does not hold every value exactly
    reader<double> read_double = nullptr;  // integers of more than 53 bits are rounded

    template <class T>
    std::span<const T> as() const  // T is the type that the source was made from, or an integer of its width
    {
        return {static_cast<const T*>(data), size};
    }
    weight_source part(std::size_t begin, std::size_t count) const
    {
        weight_source result = *this;
        result.data = static_cast<const std::byte*>(data) + begin * element_bytes;
        result.size = count;
        return result;
    }
};

template <class T, class Real>
struct convert_kernel
{
    [[gnu::always_inline]] void operator()(const T* from, std::size_t count, Real* to) const
    {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = static_cast<Real>(from[i]);
    }
};

template <class T, class Real>
void read_weights(const void* data, std::size_t begin, std::size_t count, Real* out)
{
    dispatch(convert_kernel<T, Real>{}, static_cast<const T*>(data) + begin, count, out);
}

template <class T>
constexpr double min_normal_of()
{
    if constexpr (is_storage_scalar<T>)
        return static_cast<double>(T::min_normal);
    else if constexpr (std::floating_point<T>)
        return static_cast<double>(std::numeric_limits<T>::min());
    else
        return 0;
}

template <class T>
weight_source source_of(std::span<const T> weights)
{
    constexpr bool exact_in_float = is_storage_scalar<T> || std::same_as<T, float> || (std::integral<T> && sizeof(T) <= 2);
    weight_source source{.data = weights.data(),
                         .size = weights.size(),
                         .element_bytes = sizeof(T),
                         .min_normal = min_normal_of<T>(),
                         .is_float = std::same_as<T, float>,
                         .is_double = std::same_as<T, double>,
                         .read_double = read_weights<T, double>};
    if constexpr (exact_in_float)
        source.read_float = read_weights<T, float>;
    return source;
}

inline std::vector<double> to_doubles(const weight_source& source)
{
    std::vector<double> values(source.size);
    source.read_double(source.data, 0, source.size, values.data());
    return values;
}

}  // namespace weightscope::detail
