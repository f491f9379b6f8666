// Fuzzes the reader of ONNX models.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/io/onnx.hpp>

#include "../io/onnx_writer.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    using namespace onnx_writer;
    std::string deep = node("Identity", {"a"}, {"b"});
    for (int i = 0; i < 40; ++i)
        deep = node("If", {"c"}, {"d"}, attribute_of("then_branch", bytes(6, deep)));
    const std::string dynamic = initializer(raw_tensor("w_quantized", int8, {2, 2}, "\1\2\3\4")) + initializer(raw_tensor("s", f32, {}, raw({0.5F})))
                              + node("MatMulInteger", {"x", "w_quantized"}, {"y"}) + node("Cast", {"y"}, {"f"}, attribute("to", 1))
                              + node("Mul", {"xs", "s"}, {"m"}) + node("Mul", {"f", "m"}, {"z"});
    const std::string blocked = initializer(raw_tensor("c", uint4, {4, 2}, "\x12\x34\x56\x78")) + initializer(raw_tensor("s", f16, {2, 2}, std::string(8, '\x3c')))
                              + node("DequantizeLinear", {"c", "s"}, {"w"}, attribute("axis", 0) + attribute("block_size", 2));
    return {rich_model(), model(deep), model(dynamic), model(blocked),
            model(initializer(typed_tensor("a", f32, {2}, external({{"location", "input"}, {"offset", "0"}, {"length", "8"}}))))};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) { return weightscope::detail::read_onnx(file); });
}
