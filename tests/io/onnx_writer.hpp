// Writes ONNX models for tests, field by field, as protocol buffers lay them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace onnx_writer {

// numbers of TensorProto.DataType
enum type : unsigned
{
    f32 = 1,
    uint8 = 2,
    int8 = 3,
    uint16 = 4,
    int16 = 5,
    int32 = 6,
    int64 = 7,
    text = 8,
    boolean = 9,
    f16 = 10,
    f64 = 11,
    uint32 = 12,
    uint64 = 13,
    complex64 = 14,
    complex128 = 15,
    bf16 = 16,
    float8e4m3fn = 17,
    float8e4m3fnuz = 18,
    float8e5m2 = 19,
    float8e5m2fnuz = 20,
    uint4 = 21,
    int4 = 22,
    float4e2m1 = 23,
    float8e8m0 = 24,
    uint2 = 25,
    int2 = 26
};

inline std::string varint(std::uint64_t value)
{
    std::string result;
    for (; value > 127; value >>= 7)
        result += static_cast<char>((value & 127) | 128);
    return result + static_cast<char>(value);
}

inline std::string number(unsigned field, std::uint64_t value)
{
    return varint(field << 3) + varint(value);
}

inline std::string bytes(unsigned field, std::string_view content)
{
    return varint(field << 3 | 2) + varint(content.size()) + std::string(content);
}

template <class T>
std::string raw(std::initializer_list<T> values)
{
    std::string result(values.size() * sizeof(T), '\0');
    std::memcpy(result.data(), values.begin(), result.size());
    return result;
}

// A float or a double that is a field of its own.
template <class T>
std::string fixed(unsigned field, T value)
{
    return varint(field << 3 | (sizeof(T) == 4 ? 5 : 1)) + raw({value});
}

inline std::string packed(unsigned field, std::initializer_list<std::int64_t> values)
{
    std::string content;
    for (const std::int64_t value : values)
        content += varint(static_cast<std::uint64_t>(value));
    return bytes(field, content);
}

using shape = std::initializer_list<std::uint64_t>;

// A TensorProto whose elements the field `data` holds.
inline std::string typed_tensor(std::string_view name, unsigned type, shape dims, std::string_view data)
{
    std::string result;
    for (const std::uint64_t extent : dims)
        result += number(1, extent);
    return result + number(2, type) + std::string(data) + bytes(8, name);
}

inline std::string raw_tensor(std::string_view name, unsigned type, shape dims, std::string_view content)
{
    return typed_tensor(name, type, dims, bytes(9, content));
}

// Whose elements lie in another file.
inline std::string external(std::initializer_list<std::pair<const char*, const char*>> entries)
{
    std::string result;
    for (const auto& [key, value] : entries)
        result += bytes(13, bytes(1, key) + bytes(2, value));
    return result + number(14, 1);
}

inline std::string initializer(std::string_view tensor)
{
    return bytes(5, tensor);
}

inline std::string attribute(std::string_view name, std::int64_t value)
{
    return bytes(5, bytes(1, name) + number(3, static_cast<std::uint64_t>(value)));
}

inline std::string attribute_of(std::string_view name, std::string_view fields)
{
    return bytes(5, bytes(1, name) + std::string(fields));
}

using names = std::initializer_list<const char*>;

// A NodeProto in a graph.
inline std::string node(const char* op, names inputs, names outputs, std::string_view attributes = {}, std::string_view domain = {},
                        std::string_view name = {})
{
    std::string result;
    for (const char* input : inputs)
        result += bytes(1, input);
    for (const char* output : outputs)
        result += bytes(2, output);
    if (!name.empty())
        result += bytes(3, name);
    result += bytes(4, op) + std::string(attributes);
    if (!domain.empty())
        result += bytes(7, domain);
    return bytes(1, result);
}

inline std::string constant(const char* output, std::string_view attribute)
{
    return node("Constant", {}, {output}, attribute);
}

inline std::string model(std::string_view graph, std::string_view more = {})
{
    return number(1, 10) + bytes(2, "test") + bytes(7, std::string(graph) + bytes(2, "g")) + bytes(8, number(2, 21)) + std::string(more);
}

// One that has every kind of tensor and of quantization at once.
inline std::string rich_model()
{
    const std::string inner = constant("c", attribute_of("value", bytes(5, raw_tensor("", f32, {2}, raw({1.0F, 2.0F})))));
    std::string graph = initializer(raw_tensor("w", f32, {2, 3}, raw({1.0F, -2.0F, 3.0F, 4.0F, 0.5F, 6.0F})));
    graph += initializer(typed_tensor("floats", f32, {3}, bytes(4, raw({1.0F, 2.0F, 3.0F}))));
    graph += initializer(typed_tensor("unpacked", f32, {2}, fixed(4, 1.0F) + fixed(4, 2.0F)));
    graph += initializer(typed_tensor("ints", int8, {4}, packed(5, {-128, 127, 0, -1})));
    graph += initializer(typed_tensor("longs", int64, {3}, packed(7, {-1, 1LL << 40, 0})));
    graph += initializer(typed_tensor("halves", f16, {2}, packed(5, {0x3c00, 0xc000})));
    graph += initializer(typed_tensor("doubles", f64, {2}, fixed(10, 1.5) + fixed(10, 2.5)));
    graph += initializer(typed_tensor("unsigned", uint32, {2}, number(11, 0xffffffff) + number(11, 7)));
    graph += initializer(raw_tensor("nibbles", int4, {3}, std::string("\x8f\x07", 2)));
    graph += initializer(typed_tensor("fours", float4e2m1, {5}, packed(5, {0x21, 0xf7, 0x0a})));
    graph += initializer(typed_tensor("truths", boolean, {2}, packed(5, {1, 0})));
    graph += initializer(typed_tensor("texts", text, {2}, bytes(6, "a") + bytes(6, "b")));
    graph += bytes(15, bytes(1, raw_tensor("sparse", f32, {1}, raw({3.0F}))) + bytes(2, raw_tensor("", int64, {1}, raw({std::int64_t{5}})))
                           + number(3, 4) + number(3, 4));
    graph += initializer(raw_tensor("codes", int8, {2, 3}, std::string("\x01\xff\x03\x04\x05\x86", 6)));
    graph += initializer(raw_tensor("scales", f32, {2}, raw({0.5F, 0.25F})));
    graph += initializer(raw_tensor("zeros", int8, {2}, std::string("\x01\xfe", 2)));
    graph += node("DequantizeLinear", {"codes", "scales", "zeros"}, {"weight"}, attribute("axis", 0));
    graph += node("Gemm", {"x", "weight"}, {"y"}, attribute("transB", 1));
    graph += node("MatMul", {"y", "w"}, {"z"});
    graph += initializer(raw_tensor("B_Q4", uint8, {2, 2, 8}, std::string(32, '\x5a')));
    graph += initializer(raw_tensor("B_scales", f32, {4}, raw({1.0F, 2.0F, 3.0F, 4.0F})));
    graph += initializer(raw_tensor("B_zeros", uint8, {2}, std::string("\x78\x96", 2)));
    graph += node("MatMulNBits", {"z", "B_Q4", "B_scales", "B_zeros"}, {"q"},
                  attribute("K", 20) + attribute("N", 2) + attribute("bits", 4) + attribute("block_size", 16), "com.microsoft");
    graph += constant("one", attribute_of("value_float", fixed(2, 1.0F))) + constant("many", attribute_of("value_ints", packed(8, {1, 2, 3})));
    graph += node("If", {"condition"}, {"result"}, attribute_of("then_branch", bytes(6, inner)) + attribute_of("else_branch", bytes(6, inner)));
    return model(graph, bytes(14, bytes(1, "key") + bytes(2, "value"))
                            + bytes(25, bytes(1, "f") + bytes(7, bytes(2, "k") + bytes(4, "Constant")
                                                                     + attribute_of("value_int", number(3, 42)))));
}

}  // namespace onnx_writer
