// Weights that ONNX models store as integer codes.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/io/onnx.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "onnx_writer.hpp"
#include "tensor_values.hpp"

using namespace weightscope;
using namespace onnx_writer;
using namespace std::string_view_literals;

namespace {

weightscope::model read(const files::temporary_folder& folder, std::string_view graph)
{
    return read_onnx(files::write(folder / "m.onnx", onnx_writer::model(graph)));
}

const named_tensor& find(const weightscope::model& m, std::string_view name)
{
    const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
    REQUIRE(found != m.tensors.end());
    return *found;
}

std::vector<std::string> names_of(const weightscope::model& m)
{
    std::vector<std::string> result;
    for (const named_tensor& tensor : m.tensors)
        result.push_back(tensor.name);
    return result;
}

const std::string six_codes = initializer(raw_tensor("q", int8, {2, 3}, "\x01\x02\x03\xff\xfe\x80"sv));  // 1 2 3 -1 -2 -128

}  // namespace

TEST_CASE("codes with one scale and one zero point are shown as weights, and the codes beside")
{
    const files::temporary_folder folder;
    const weightscope::model m = read(folder, six_codes + initializer(raw_tensor("s", f32, {}, raw({0.5F}))) + initializer(raw_tensor("z", int8, {}, "\x02"))
                                                  + node("DequantizeLinear", {"q", "s", "z"}, {"w"}));
    CHECK(names_of(m) == std::vector<std::string>{"w", "q", "s", "z"});
    const named_tensor& w = find(m, "w");
    CHECK(w.shape == std::vector<std::size_t>{2, 3});
    CHECK(w.dtype == dtype::float32);
    CHECK(w.storage() == "INT8 QDQ");
    CHECK(w.stored_bytes() == 6 + 4 + 1);
    CHECK(w.part_of.empty());
    CHECK_FALSE(w.decoder->determined_by_bytes());
    CHECK(values<float>(w) == std::vector<float>{-0.5F, 0, 0.5F, -1.5F, -2, -65});
    CHECK(values<std::int8_t>(find(m, "q")) == std::vector<std::int8_t>{1, 2, 3, -1, -2, -128});
    for (const char* part : {"q", "s", "z"})
        CHECK(find(m, part).part_of == "w");
}

TEST_CASE("scales go along the axis that the node names")
{
    const files::temporary_folder folder;
    const std::string two = initializer(raw_tensor("s2", f32, {2}, raw({1.0F, 10.0F}))), three = initializer(raw_tensor("s3", f32, {3}, raw({1.0F, 10.0F, 100.0F})));
    const auto rows = read(folder, six_codes + two + node("DequantizeLinear", {"q", "s2"}, {"w"}, attribute("axis", 0)));
    CHECK(values<float>(find(rows, "w")) == std::vector<float>{1, 2, 3, -10, -20, -1280});
    CHECK(find(rows, "w").storage() == "INT8 QDQ, axis 0");
    for (const std::int64_t axis : {1, -1}) {
        const auto columns = read(folder, six_codes + three + node("DequantizeLinear", {"q", "s3", ""}, {"w"}, attribute("axis", axis)));
        CHECK(values<float>(find(columns, "w")) == std::vector<float>{1, 20, 300, -1, -20, -12800});
        CHECK(find(columns, "w").storage() == "INT8 QDQ, axis 1");
    }
    // axis 1 is the default; zero points differ as the scales do
    const auto shifted = read(folder, six_codes + three + initializer(typed_tensor("z", int8, {3}, packed(5, {1, 2, -128})))
                                          + node("DequantizeLinear", {"q", "s3", "z"}, {"w"}));
    CHECK(values<float>(find(shifted, "w")) == std::vector<float>{0, 0, 13100, -2, -40, 0});
    // the middle axis of three
    std::string codes;
    for (char i = 0; i < 12; ++i)
        codes += i;
    const auto middle = read(folder, initializer(raw_tensor("q", uint8, {2, 3, 2}, codes)) + three + node("DequantizeLinear", {"q", "s3"}, {"w"}));
    CHECK(values<float>(find(middle, "w")) == std::vector<float>{0, 1, 20, 30, 400, 500, 6, 7, 80, 90, 1000, 1100});
}

TEST_CASE("blocks of indices share a scale")
{
    const files::temporary_folder folder;
    // [4, 2] in blocks of 3 along axis 0: rows 0 to 2, and row 3; low nibbles first: 1 2 / 3 4 / 5 6 / 7 8
    const auto m = read(folder, initializer(raw_tensor("q", uint4, {4, 2}, "\x21\x43\x65\x87"sv)) + initializer(raw_tensor("s", f32, {2, 2}, raw({1.0F, 10.0F, 100.0F, 1000.0F})))
                                    + initializer(raw_tensor("z", uint4, {2, 2}, "\x10\x32"sv))
                                    + node("DequantizeLinear", {"q", "s", "z"}, {"w"}, attribute("axis", 0) + attribute("block_size", 3)));
    CHECK(values<float>(find(m, "w")) == std::vector<float>{1, 10, 3, 30, 5, 50, 500, 5000});
    CHECK(find(m, "w").storage() == "UINT4 QDQ, blocks of 3 on axis 0");
    CHECK(find(m, "w").stored_bytes() == 4 + 16 + 2);
    // along the last axis: 1 2 3 | 4, 5 6 7 | 8
    const auto last = read(folder, initializer(raw_tensor("q", uint4, {2, 4}, "\x21\x43\x65\x87"sv)) + initializer(raw_tensor("s", f32, {2, 2}, raw({1.0F, 10.0F, 100.0F, 1000.0F})))
                                       + node("DequantizeLinear", {"q", "s"}, {"w"}, attribute("axis", 1) + attribute("block_size", 3)));
    CHECK(values<float>(find(last, "w")) == std::vector<float>{1, 2, 3, 40, 500, 600, 700, 8000});
}

TEST_CASE("weights have the type and the precision of their scales")
{
    const files::temporary_folder folder;
    // 3 * half(0.1) is rounded to half once: numpy.float16(3 * numpy.float32(numpy.float16(0.1)))
    const auto half = read(folder, initializer(raw_tensor("q", int8, {1}, "\3")) + initializer(raw_tensor("s", f16, {1}, "\x66\x2e"sv)) + node("DequantizeLinear", {"q", "s"}, {"w"}));
    CHECK(find(half, "w").dtype == dtype::float16);
    CHECK(values<std::uint16_t>(find(half, "w")) == std::vector<std::uint16_t>{float16(3 * static_cast<float>(float16(0.1F))).bits});
    // MX: codes E2M1 in blocks of 2 with scales 2^(e - 127), 2 and 0.5: 0x21 0x43 is .5 1 1.5 2
    const auto mx = read(folder, initializer(raw_tensor("q", float4e2m1, {1, 4}, "\x21\x43"sv)) + initializer(raw_tensor("s", float8e8m0, {1, 2}, "\x80\x7e"sv))
                                     + node("DequantizeLinear", {"q", "s"}, {"w"}, attribute("axis", 1) + attribute("block_size", 2)));
    CHECK(find(mx, "w").dtype == dtype::float32);
    CHECK(values<float>(find(mx, "w")) == std::vector<float>{1, 2, 0.75F, 1});
    const auto asked = read(folder, six_codes + initializer(raw_tensor("s", f32, {}, raw({0.5F}))) + node("DequantizeLinear", {"q", "s"}, {"w"}, attribute("output_dtype", bf16)));
    CHECK(find(asked, "w").dtype == dtype::bfloat16);
    // a bias of 32-bit codes
    const auto bias = read(folder, initializer(raw_tensor("q", int32, {2}, raw({16777217, -3}))) + initializer(raw_tensor("s", f32, {}, raw({0.5F}))) + node("DequantizeLinear", {"q", "s"}, {"w"}));
    CHECK(values<float>(find(bias, "w")) == std::vector<float>{8388608, -1.5F});
}

TEST_CASE("integer products show the weights of their operators")
{
    const files::temporary_folder folder;
    const std::string w = initializer(raw_tensor("fc_quantized", int8, {2, 3}, "\x01\x02\x03\xff\xfe\x80"sv)), s = initializer(raw_tensor("s", f32, {}, raw({2.0F}))),
                      z = initializer(raw_tensor("z", int8, {}, "\x01"));
    const std::vector<float> expected = {0, 2, 4, -4, -6, -258};
    const std::string dynamic = node("MatMulInteger", {"x", "fc_quantized", "xz", "z"}, {"y"}) + node("Cast", {"y"}, {"f"}, attribute("to", 1));
    const auto scaled = read(folder, w + s + z + dynamic + node("Mul", {"xs", "s"}, {"both"}) + node("Mul", {"f", "both"}, {"out"}));
    CHECK(find(scaled, "fc").storage() == "INT8 MatMulInteger");
    CHECK(values<float>(find(scaled, "fc")) == expected);
    CHECK(find(scaled, "fc").transposed);
    CHECK_FALSE(find(scaled, "fc_quantized").transposed);
    // the product goes elsewhere as well, or both scales are constant: which is whose cannot be told
    const std::string other = initializer(raw_tensor("other", f32, {}, raw({3.0F})));
    CHECK(read(folder, w + s + z + dynamic + node("Mul", {"xs", "s"}, {"both"}) + node("Mul", {"f", "both"}, {"out"}) + node("Relu", {"f"}, {"r"})).tensors.size() == 3);
    CHECK(read(folder, w + s + z + other + dynamic + node("Mul", {"other", "s"}, {"both"}) + node("Mul", {"f", "both"}, {"out"})).tensors.size() == 4);

    const auto linear = read(folder, w + s + z + node("QLinearMatMul", {"a", "as", "az", "fc_quantized", "s", "z", "ys", "yz"}, {"y"}));
    CHECK(values<float>(find(linear, "fc")) == expected);
    CHECK(find(linear, "fc").transposed);
    const auto gemm = read(folder, w + s + z + node("QGemm", {"a", "as", "az", "fc_quantized", "s", "z"}, {"y"}, attribute("transB", 1), "com.microsoft"));
    CHECK(values<float>(find(gemm, "fc")) == expected);
    CHECK_FALSE(find(gemm, "fc").transposed);
    for (const char* op : {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}) {
        const bool fused = op == "DynamicQuantizeMatMul"sv;
        const std::string product = fused ? node(op, {"a", "fc_quantized", "s", "z"}, {"y"}, {}, "com.microsoft")
                                          : node(op, {"a", "fc_quantized", "as", "s", "az", "z"}, {"y"}, {}, "com.microsoft");
        CHECK(values<float>(find(read(folder, w + s + z + product), "fc")) == expected);
    }
    const auto conv = read(folder, initializer(raw_tensor("k", int8, {2, 1, 1, 2}, "\x01\x02\x03\x04")) + initializer(raw_tensor("s", f32, {2}, raw({1.0F, 10.0F})))
                                       + initializer(raw_tensor("z", int8, {2}, "\0\0"sv)) + node("QLinearConv", {"x", "xs", "xz", "k", "s", "z", "ys", "yz"}, {"y"}));
    CHECK(values<float>(find(conv, "k (dequantized)")) == std::vector<float>{1, 2, 30, 40});
    CHECK(find(conv, "k").part_of == "k (dequantized)");
}

TEST_CASE("MatMulNBits stores rows of blocks, each from a byte on")
{
    // K = 20 in blocks of 16: the second block of a row has 4 codes and room for 16
    random_stream random(9);
    for (const std::size_t bits : {2, 4, 8})
        for (const int zeros : {0, 1, 2}) {  // none, packed, as floats
            constexpr std::size_t n = 3, k = 20, block = 16, blocks = 2;
            const std::size_t blob = block * bits / 8, zero_bytes = (blocks * bits + 7) / 8;
            std::string codes(n * blocks * blob, '\0'), packed_zeros(n * zero_bytes, '\0');
            for (std::string* text : {&codes, &packed_zeros})
                for (char& c : *text)
                    c = static_cast<char>(random.below(256));
            const auto code = [&](const std::string& text, std::size_t row_bytes, std::size_t row, std::size_t i) {
                const auto byte = static_cast<unsigned char>(text[row * row_bytes + i * bits / 8]);
                return static_cast<int>(byte >> (i * bits % 8) & ((1U << bits) - 1));
            };
            std::string graph = initializer(raw_tensor("x.weight_Q4", uint8, {n, blocks, blob}, codes));
            graph += initializer(raw_tensor("scales", f32, {n * blocks}, raw({1.0F, 2.0F, 4.0F, 8.0F, 16.0F, 32.0F})));
            if (zeros == 1)
                graph += initializer(raw_tensor("zeros", uint8, {n * zero_bytes}, packed_zeros));
            if (zeros == 2)
                graph += initializer(raw_tensor("zeros", f32, {n * blocks}, raw({0.5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F})));
            const std::string attributes = attribute("K", k) + attribute("N", n) + attribute("bits", static_cast<std::int64_t>(bits)) + attribute("block_size", block);
            graph += zeros == 0 ? node("MatMulNBits", {"a", "x.weight_Q4", "scales"}, {"y"}, attributes, "com.microsoft")
                                : node("MatMulNBits", {"a", "x.weight_Q4", "scales", "zeros"}, {"y"}, attributes, "com.microsoft");
            const files::temporary_folder folder;
            const weightscope::model m = read(folder, graph);
            const named_tensor& w = find(m, "x.weight");
            CHECK(w.shape == std::vector<std::size_t>{n, k});
            CHECK(w.storage() == std::to_string(bits) + "-bit MatMulNBits, blocks of 16");
            CHECK_FALSE(w.transposed);
            const std::vector<float> found = values<float>(w);
            REQUIRE(found.size() == n * k);
            std::size_t wrong = 0;
            for (std::size_t row = 0; row < n; ++row)
                for (std::size_t i = 0; i < k; ++i) {
                    const std::size_t b = row * blocks + i / block;
                    const double zero = zeros == 0 ? 1 << (bits - 1) : zeros == 1 ? code(packed_zeros, zero_bytes, row, i / block) : 0.5 + static_cast<double>(b);
                    wrong += found[row * k + i] != static_cast<float>((code(codes, blocks * blob, row, i) - zero) * std::ldexp(1, static_cast<int>(b)));
                }
            CHECK(wrong == 0);
            float one = 0;  // parts begin anywhere
            w.decoder->decode(37, std::as_writable_bytes(std::span(&one, 1)));
            CHECK(one == found[37]);
        }
}

TEST_CASE("codes whose scales do not fit are shown as they are stored, and a note says so")
{
    const files::temporary_folder folder;
    const auto scales = read(folder, six_codes + initializer(raw_tensor("s", f32, {4}, raw({1.0F, 2.0F, 3.0F, 4.0F}))) + node("DequantizeLinear", {"q", "s"}, {"w"}));
    CHECK(names_of(scales) == std::vector<std::string>{"q", "s"});
    CHECK(scales.notes == std::vector<std::string>{"'q' is shown as it is stored: scales [4] do not fit codes [2, 3] on axis 1"});
    const auto zeros = read(folder, six_codes + initializer(raw_tensor("s", f32, {}, raw({1.0F}))) + initializer(raw_tensor("z", int8, {2}, "ab")) + node("DequantizeLinear", {"q", "s", "z"}, {"w"}));
    CHECK(zeros.notes == std::vector<std::string>{"'q' is shown as it is stored: zero points [2] of INT8 do not fit scales []"});
    const auto types = read(folder, six_codes + initializer(raw_tensor("s", int8, {}, "a")) + node("DequantizeLinear", {"q", "s"}, {"w"}));
    CHECK(types.notes == std::vector<std::string>{"'q' is shown as it is stored: codes of INT8 with scales of INT8 are not known"});
    const auto bits = read(folder, six_codes + initializer(raw_tensor("s", f32, {}, raw({1.0F}))) + node("MatMulNBits", {"x", "q", "s"}, {"y"}, attribute("bits", 3), "com.microsoft"));
    CHECK(bits.notes == std::vector<std::string>{"'q' is shown as it is stored: K 0, N 0, bits 3 and block_size 0 are not known"});
    // scales that are computed are no constants
    CHECK(read(folder, six_codes + node("DequantizeLinear", {"q", "computed"}, {"w"})).notes.empty());
    // a weight that is stored in full and only rounded on the way is shown as it is stored
    const auto rounded = read(folder, initializer(raw_tensor("w", f32, {2}, raw({1.0F, 2.0F}))) + initializer(raw_tensor("s", f32, {}, raw({1.0F})))
                                          + node("QuantizeLinear", {"w", "s"}, {"q"}) + node("DequantizeLinear", {"q", "s"}, {"d"}));
    CHECK(names_of(rounded) == std::vector<std::string>{"w", "s"});
    CHECK(rounded.notes.empty());
}

TEST_CASE("a matrix that products take as [in, out] is marked, however it gets there")
{
    const files::temporary_folder folder;
    const std::string w = initializer(raw_tensor("w", f32, {1, 2}, raw({1.0F, 2.0F})));
    const auto marked = [&](const std::string& nodes) { return find(read(folder, w + nodes), "w").transposed; };
    CHECK(marked(node("MatMul", {"x", "w"}, {"y"})));
    CHECK_FALSE(marked(node("MatMul", {"w", "x"}, {"y"})));
    CHECK(marked(node("Gemm", {"x", "w"}, {"y"})));
    CHECK_FALSE(marked(node("Gemm", {"x", "w"}, {"y"}, attribute("transB", 1))));
    CHECK_FALSE(marked(node("Transpose", {"w"}, {"t"}) + node("MatMul", {"x", "t"}, {"y"})));
    CHECK_FALSE(marked(node("Transpose", {"w"}, {"t"}, attribute_of("perm", number(8, 1) + number(8, 0))) + node("MatMul", {"x", "t"}, {"y"})));
    CHECK(marked(node("Transpose", {"w"}, {"t"}, attribute_of("perm", packed(8, {1, 0}))) + node("Gemm", {"x", "t"}, {"y"}, attribute("transB", 1))));
    CHECK(marked(node("Cast", {"w"}, {"c"}, attribute("to", 10)) + node("Identity", {"c"}, {"i"}) + node("MatMul", {"x", "i"}, {"y"})));
    CHECK_FALSE(marked(node("Gather", {"w", "ids"}, {"e"}) + node("Transpose", {"w"}, {"t"}) + node("MatMul", {"x", "t"}, {"y"})));
    CHECK_FALSE(marked(node("MatMul", {"x", "w"}, {"y"}) + node("Gemm", {"y", "w"}, {"z"}, attribute("transB", 1))));
    // used in a branch
    CHECK(marked(node("If", {"c"}, {"y"}, attribute_of("then_branch", bytes(6, node("MatMul", {"x", "w"}, {"z"}))))));
}
