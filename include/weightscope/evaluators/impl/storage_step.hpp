#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

namespace detail {

template <class T>
storage_step step_to(T from, T to)
{
    storage_step step{.size = sizeof(T), .distance = static_cast<double>(to) - static_cast<double>(from)};
    std::memcpy(step.bytes.data(), &to, sizeof to);
    return step;
}

WEIGHTSCOPE_INLINE double stored_value(dtype type, const std::byte* bytes)
{
    return with_real(type, [&]<class T>(std::type_identity<T>) { return static_cast<double>(weight_of<T>(bytes)); });
}

WEIGHTSCOPE_INLINE void store_value(dtype type, double value, std::byte* bytes)
{
    with_real(type, [&]<class T>(std::type_identity<T>) {
        const T stored = static_cast<T>(value);
        std::memcpy(bytes, &stored, sizeof stored);
    });
}

}  // namespace detail

WEIGHTSCOPE_INLINE storage_step make_storage_step(dtype type, std::span<const std::byte> weight, double step)
{
    require(is_differentiable(type), "make_storage_step(type, weight, step): {} has no small steps, expected floating point", to_string(type));
    require(weight.size() == bits_of(type) / 8, "make_storage_step(type, weight, step): {} bytes for one {}, expected {}", weight.size(),
            to_string(type), bits_of(type) / 8);
    require(std::isfinite(step), "make_storage_step(type, weight, step): step is {}, expected finite", step);
    return detail::with_real(type, [&]<class T>(std::type_identity<T>) {
        const T from = detail::weight_of<T>(weight.data());
        require(std::isfinite(static_cast<double>(from)), "make_storage_step(type, weight, step): the weight is {}, expected finite",
                static_cast<double>(from));
        constexpr std::int64_t least = 2;
        const std::int64_t largest = detail::code_of<T>::largest(), here = detail::code_of<T>::order(from);
        const double target = static_cast<double>(from) + step, limit = static_cast<double>(detail::code_of<T>::number(largest));
        const double reached = target > limit ? limit : target < -limit ? -limit : target;
        std::int64_t order = detail::code_of<T>::order(static_cast<T>(reached));
        if (std::signbit(step) ? order > here - least : order < here + least)
            order = std::signbit(step) ? here - least : here + least;
        if (order > largest || order < -largest)
            return storage_step{.size = sizeof(T)};
        return detail::step_to(from, detail::code_of<T>::number(order));
    });
}

}  // namespace weightscope
