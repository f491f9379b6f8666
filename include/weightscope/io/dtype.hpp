#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/scalars.hpp>

namespace weightscope {

// g++ 12 says that dtype::float16 shadows the type float16, which nobody can confuse
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
/// How the elements of a tensor lie in a file.
enum class dtype
{
    float64,
    float32,
    float16,
    bfloat16,
    float8_e4m3,
    float8_e5m2,
    float8_e4m3fnuz,
    float8_e5m2fnuz,
    float8_e8m0,
    int8,
    uint8,
    int16,
    uint16,
    int32,
    uint32,
    int64,
    uint64,
    boolean,
    float4_e2m1,
    float6_e2m3,
    float6_e3m2,
    complex64,
    opaque
};
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace detail {

struct dtype_record
{
    dtype type;
    std::string_view name;
    std::size_t bits;
};

// in the order of the enumerators, so that one indexes the other
inline constexpr std::array<dtype_record, 23> dtypes = {{
    {dtype::float64, "F64", 64},
    {dtype::float32, "F32", 32},
    {dtype::float16, "F16", 16},
    {dtype::bfloat16, "BF16", 16},
    {dtype::float8_e4m3, "F8_E4M3", 8},
    {dtype::float8_e5m2, "F8_E5M2", 8},
    {dtype::float8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {dtype::float8_e5m2fnuz, "F8_E5M2FNUZ", 8},
    {dtype::float8_e8m0, "F8_E8M0", 8},
    {dtype::int8, "I8", 8},
    {dtype::uint8, "U8", 8},
    {dtype::int16, "I16", 16},
    {dtype::uint16, "U16", 16},
    {dtype::int32, "I32", 32},
    {dtype::uint32, "U32", 32},
    {dtype::int64, "I64", 64},
    {dtype::uint64, "U64", 64},
    {dtype::boolean, "BOOL", 8},
    {dtype::float4_e2m1, "F4", 4},
    {dtype::float6_e2m3, "F6_E2M3", 6},
    {dtype::float6_e3m2, "F6_E3M2", 6},
    {dtype::complex64, "C64", 64},
    {dtype::opaque, "OPAQUE", 0},
}};

constexpr const dtype_record& record_of(dtype type)
{
    return dtypes[static_cast<std::size_t>(type)];
}

template <class Int>
constexpr dtype integer_dtype()
{
    constexpr std::array<dtype, 4> with_sign = {dtype::int8, dtype::int16, dtype::int32, dtype::int64};
    constexpr std::array<dtype, 4> without = {dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64};
    constexpr std::size_t i = sizeof(Int) == 1 ? 0 : sizeof(Int) == 2 ? 1 : sizeof(Int) == 4 ? 2 : 3;
    return std::is_signed_v<Int> ? with_sign[i] : without[i];
}

}  // namespace detail

/// Name of a dtype as safetensors spells it: "F32", "BF16", "F8_E4M3", "I8", "BOOL", "F4"...; "OPAQUE" for codes whose meaning is not
/// known here, which safetensors does not have.
[[nodiscard]] constexpr std::string_view to_string(dtype type)
{
    return detail::record_of(type).name;
}

/// The dtype that safetensors calls `name`, or nothing. Case counts.
[[nodiscard]] constexpr std::optional<dtype> parse_dtype(std::string_view name)
{
    for (const auto& record : detail::dtypes)
        if (record.name == name && record.type != dtype::opaque)
            return record.type;
    return std::nullopt;
}

/// Bits that one element takes in a file: 64 for "F64" and "C64", 8 for "BOOL", 6 for "F6_E2M3", 4 for "F4"; 0
/// for "OPAQUE".
[[nodiscard]] constexpr std::size_t bits_of(dtype type)
{
    return detail::record_of(type).bits;
}

/// True for the dtypes whose elements this library computes with.
/// BOOL, C64, OPAQUE and the packed F4 and F6 are listed, not analysed.
[[nodiscard]] constexpr bool is_numeric(dtype type)
{
    return type < dtype::boolean;
}

/// The dtype whose elements are C++ values of type T: `dtype_of<float> == dtype::float32`.
template <weight_scalar T>
    requires(!std::same_as<T, long double>)
inline constexpr dtype dtype_of = detail::integer_dtype<T>();
template <>
inline constexpr dtype dtype_of<double> = dtype::float64;
template <>
inline constexpr dtype dtype_of<float> = dtype::float32;
template <>
inline constexpr dtype dtype_of<float16> = dtype::float16;
template <>
inline constexpr dtype dtype_of<bfloat16> = dtype::bfloat16;
template <>
inline constexpr dtype dtype_of<float8_e4m3> = dtype::float8_e4m3;
template <>
inline constexpr dtype dtype_of<float8_e5m2> = dtype::float8_e5m2;
template <>
inline constexpr dtype dtype_of<float8_e4m3fnuz> = dtype::float8_e4m3fnuz;
template <>
inline constexpr dtype dtype_of<float8_e5m2fnuz> = dtype::float8_e5m2fnuz;
template <>
inline constexpr dtype dtype_of<float8_e8m0> = dtype::float8_e8m0;

/// Calls `f(std::type_identity<T>{})` with the C++ type T of the elements of a numeric dtype, and returns what it
/// returns.
///
/// @throws std::invalid_argument  `type` is not numeric
template <class F>
decltype(auto) with_scalar(dtype type, F&& f)
{
    static_assert(std::is_invocable_v<F&, std::type_identity<float>>,
                  "with_scalar(type, f): f must be callable as f(std::type_identity<T>{}) for each scalar T");
    require(is_numeric(type), "with_scalar(type): {} elements are listed, not analysed; expected a numeric dtype",
            to_string(type));
    switch (type) {
    case dtype::float64: return f(std::type_identity<double>{});
    case dtype::float16: return f(std::type_identity<float16>{});
    case dtype::bfloat16: return f(std::type_identity<bfloat16>{});
    case dtype::float8_e4m3: return f(std::type_identity<float8_e4m3>{});
    case dtype::float8_e5m2: return f(std::type_identity<float8_e5m2>{});
    case dtype::float8_e4m3fnuz: return f(std::type_identity<float8_e4m3fnuz>{});
    case dtype::float8_e5m2fnuz: return f(std::type_identity<float8_e5m2fnuz>{});
    case dtype::float8_e8m0: return f(std::type_identity<float8_e8m0>{});
    case dtype::int8: return f(std::type_identity<std::int8_t>{});
    case dtype::uint8: return f(std::type_identity<std::uint8_t>{});
    case dtype::int16: return f(std::type_identity<std::int16_t>{});
    case dtype::uint16: return f(std::type_identity<std::uint16_t>{});
    case dtype::int32: return f(std::type_identity<std::int32_t>{});
    case dtype::uint32: return f(std::type_identity<std::uint32_t>{});
    case dtype::int64: return f(std::type_identity<std::int64_t>{});
    case dtype::uint64: return f(std::type_identity<std::uint64_t>{});
    default: return f(std::type_identity<float>{});
    }
}

}  // namespace weightscope
