#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope::detail {

// One type of PyTorch's elements: how its storages and its dtype are called there, and what it is here.
struct torch_type
{
    std::string_view storage;  // "Float" of FloatStorage; empty: has none, and lies in untyped storages
    std::string_view name;     // of its dtype
    weightscope::dtype type;
    std::size_t bytes;
    bool quantized = false;  // codes that a quantizer gives a meaning
};

inline constexpr std::array<torch_type, 27> torch_types = {{
    {"Float", "float32", dtype::float32, 4},
    {"Double", "float64", dtype::float64, 8},
    {"Half", "float16", dtype::float16, 2},
    {"BFloat16", "bfloat16", dtype::bfloat16, 2},
    {"Char", "int8", dtype::int8, 1},
    {"Byte", "uint8", dtype::uint8, 1},
    {"Short", "int16", dtype::int16, 2},
    {"Int", "int32", dtype::int32, 4},
    {"Long", "int64", dtype::int64, 8},
    {"Bool", "bool", dtype::boolean, 1},
    {"ComplexFloat", "complex64", dtype::complex64, 8},
    {"ComplexDouble", "complex128", dtype::opaque, 16},
    {"QInt8", "qint8", dtype::int8, 1, true},
    {"QUInt8", "quint8", dtype::uint8, 1, true},
    {"QInt32", "qint32", dtype::int32, 4, true},
    {"QUInt4x2", "quint4x2", dtype::opaque, 1},
    {"QUInt2x4", "quint2x4", dtype::opaque, 1},
    {"Untyped", "uint8", dtype::uint8, 1},
    {"_Untyped", "uint8", dtype::uint8, 1},
    {"", "uint16", dtype::uint16, 2},
    {"", "uint32", dtype::uint32, 4},
    {"", "uint64", dtype::uint64, 8},
    {"", "float8_e4m3fn", dtype::float8_e4m3, 1},
    {"", "float8_e5m2", dtype::float8_e5m2, 1},
    {"", "float8_e4m3fnuz", dtype::float8_e4m3fnuz, 1},
    {"", "float8_e5m2fnuz", dtype::float8_e5m2fnuz, 1},
    {"", "float8_e8m0fnu", dtype::float8_e8m0, 1},
}};

// "torch.FloatStorage", "torch.cuda.FloatStorage", "torch.storage.UntypedStorage"
WEIGHTSCOPE_INLINE const torch_type* torch_type_of_storage(std::string_view global);

// "torch.float8_e4m3fn"
WEIGHTSCOPE_INLINE const torch_type* torch_type_of_dtype(std::string_view global);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_type.hpp>
#endif
