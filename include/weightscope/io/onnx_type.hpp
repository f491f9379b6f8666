#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include <weightscope/io/dtype.hpp>

namespace weightscope::detail {

// A TensorProto.DataType.
struct onnx_type
{
    std::string_view name;
    std::size_t bits;  // of an element, 0 if it has no fixed size
    dtype values;      // that elements are shown as; of narrower ones, one that holds them
    unsigned field;    // of TensorProto that holds them where raw_data does not
};

inline constexpr unsigned onnx_float_data = 4, onnx_int32_data = 5, onnx_string_data = 6, onnx_int64_data = 7, onnx_raw_data = 9,
                          onnx_double_data = 10, onnx_uint64_data = 11;

// in the order of their numbers
inline constexpr std::array<onnx_type, 27> onnx_types = {{
    {"UNDEFINED", 0, dtype::opaque, 0},
    {"FLOAT", 32, dtype::float32, onnx_float_data},
    {"UINT8", 8, dtype::uint8, onnx_int32_data},
    {"INT8", 8, dtype::int8, onnx_int32_data},
    {"UINT16", 16, dtype::uint16, onnx_int32_data},
    {"INT16", 16, dtype::int16, onnx_int32_data},
    {"INT32", 32, dtype::int32, onnx_int32_data},
    {"INT64", 64, dtype::int64, onnx_int64_data},
    {"STRING", 0, dtype::opaque, onnx_string_data},
    {"BOOL", 8, dtype::boolean, onnx_int32_data},
    {"FLOAT16", 16, dtype::float16, onnx_int32_data},
    {"DOUBLE", 64, dtype::float64, onnx_double_data},
    {"UINT32", 32, dtype::uint32, onnx_uint64_data},
    {"UINT64", 64, dtype::uint64, onnx_uint64_data},
    {"COMPLEX64", 64, dtype::complex64, onnx_float_data},
    {"COMPLEX128", 128, dtype::opaque, onnx_double_data},
    {"BFLOAT16", 16, dtype::bfloat16, onnx_int32_data},
    {"FLOAT8E4M3FN", 8, dtype::float8_e4m3, onnx_int32_data},
    {"FLOAT8E4M3FNUZ", 8, dtype::float8_e4m3fnuz, onnx_int32_data},
    {"FLOAT8E5M2", 8, dtype::float8_e5m2, onnx_int32_data},
    {"FLOAT8E5M2FNUZ", 8, dtype::float8_e5m2fnuz, onnx_int32_data},
    {"UINT4", 4, dtype::uint8, onnx_int32_data},
    {"INT4", 4, dtype::int8, onnx_int32_data},
    {"FLOAT4E2M1", 4, dtype::float32, onnx_int32_data},
    {"FLOAT8E8M0", 8, dtype::float8_e8m0, onnx_int32_data},
    {"UINT2", 2, dtype::uint8, onnx_int32_data},
    {"INT2", 2, dtype::int8, onnx_int32_data},
}};

// Magnitudes of the 8 codes of FLOAT4E2M1: OCP Microscaling Formats 1.0, table 5.
inline constexpr float e2m1_magnitudes[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};

// Element `i` of an array in raw_data's layout, as a double, which is exact but for integers beyond 2^53. Elements of less than a byte
// begin with the lowest bits.
inline double onnx_element(const onnx_type& type, std::span<const std::byte> array, std::size_t i)
{
    if (type.bits >= 8) {
        const std::byte* at = array.data() + i * (type.bits / 8);
        return with_scalar(type.values, [&]<class T>(std::type_identity<T>) {
            T value;
            std::memcpy(&value, at, sizeof value);
            return static_cast<double>(value);
        });
    }
    const std::size_t per_byte = 8 / type.bits;
    const unsigned sign = 1U << (type.bits - 1);
    const unsigned code = std::to_integer<unsigned>(array[i / per_byte]) >> (i % per_byte * type.bits) & (2 * sign - 1);
    if (type.values == dtype::float32)
        return static_cast<double>((code & sign) != 0 ? -e2m1_magnitudes[code & 7] : e2m1_magnitudes[code & 7]);
    return type.values == dtype::int8 ? static_cast<double>(code ^ sign) - sign : code;
}

}  // namespace weightscope::detail
