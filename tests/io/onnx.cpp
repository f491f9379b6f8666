#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/io/onnx.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "onnx_writer.hpp"
#include "tensor_values.hpp"

using namespace weightscope;
using namespace onnx_writer;
using namespace std::string_view_literals;
using files::message;

namespace {

weightscope::model read(const files::temporary_folder& folder, std::string_view content)
{
    return read_onnx(files::write(folder / "m.onnx", content));
}

const named_tensor& find(const weightscope::model& m, std::string_view name)
{
    const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
    REQUIRE(found != m.tensors.end());
    return *found;
}

// The only tensor of a graph.
named_tensor only(const files::temporary_folder& folder, std::string_view proto)
{
    const weightscope::model m = read(folder, onnx_writer::model(initializer(proto)));
    REQUIRE(m.tensors.size() == 1);
    return m.tensors[0];
}

// What is said about a file, without its path.
std::string refusal(std::string_view content)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "m.onnx", content);
    const std::string text = message<io_error>([&] { (void)read_onnx(path); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// What is said about a model of one tensor, without path and byte.
std::string tensor_refusal(std::string_view proto)
{
    const std::string text = refusal(onnx_writer::model(initializer(proto)));
    return text.substr(text.find(": ") + 2);
}

const std::string again = "; download or write the file again";

}  // namespace

TEST_CASE("raw data and one run of packed floats are looked at where they lie")
{
    const files::temporary_folder folder;
    const named_tensor w = only(folder, raw_tensor("w", f32, {1, 2}, raw({1.5F, -2.0F})));
    CHECK(w.name == "w");
    CHECK(w.shape == std::vector<std::size_t>{1, 2});
    CHECK(w.dtype == dtype::float32);
    CHECK(w.storage() == "F32");
    CHECK(w.decoder == nullptr);
    CHECK(w.bytes.data() == w.file->bytes().data() + w.offset);
    CHECK(values<float>(w) == std::vector<float>{1.5F, -2});
    const named_tensor floats = only(folder, typed_tensor("w", f32, {2}, bytes(4, raw({1.5F, -2.0F}))));
    CHECK(floats.decoder == nullptr);
    CHECK(values<float>(floats) == std::vector<float>{1.5F, -2});
    const named_tensor doubles = only(folder, typed_tensor("w", f64, {1}, bytes(10, raw({1.5}))));
    CHECK(doubles.decoder == nullptr);
    CHECK(values<double>(doubles) == std::vector<double>{1.5});
    const named_tensor scalar = only(folder, raw_tensor("w", f32, {}, raw({3.0F})));
    CHECK(scalar.shape.empty());
    CHECK(scalar.size() == 1);
    const named_tensor empty = only(folder, typed_tensor("w", f32, {3, 0}, ""));
    CHECK(empty.size() == 0);
    CHECK(values<float>(empty).empty());
}

TEST_CASE("raw data of every type have the dtype that they are")
{
    struct expectation
    {
        unsigned type;
        dtype values;
        std::size_t bytes;
    };
    const expectation expected[] = {{f32, dtype::float32, 4}, {uint8, dtype::uint8, 1}, {int8, dtype::int8, 1}, {uint16, dtype::uint16, 2},
        {int16, dtype::int16, 2}, {int32, dtype::int32, 4}, {int64, dtype::int64, 8}, {boolean, dtype::boolean, 1}, {f16, dtype::float16, 2},
        {f64, dtype::float64, 8}, {uint32, dtype::uint32, 4}, {uint64, dtype::uint64, 8}, {complex64, dtype::complex64, 8},
        {complex128, dtype::opaque, 16}, {bf16, dtype::bfloat16, 2}, {float8e4m3fn, dtype::float8_e4m3, 1}, {float8e4m3fnuz, dtype::float8_e4m3fnuz, 1},
        {float8e5m2, dtype::float8_e5m2, 1}, {float8e5m2fnuz, dtype::float8_e5m2fnuz, 1}, {float8e8m0, dtype::float8_e8m0, 1}};
    const files::temporary_folder folder;
    for (const expectation& e : expected) {
        INFO(e.type);
        const named_tensor w = only(folder, raw_tensor("w", e.type, {3}, std::string(3 * e.bytes, '\1')));
        CHECK(w.dtype == e.values);
        CHECK(w.decoder == nullptr);
        CHECK(w.bytes.size() == 3 * e.bytes);
        CHECK(w.stored_bytes() == 3 * e.bytes);
    }
    CHECK(only(folder, raw_tensor("w", complex128, {1}, std::string(16, '\1'))).storage() == "COMPLEX128");
}

TEST_CASE("numbers of typed fields are decoded, packed or not")
{
    const files::temporary_folder folder;
    CHECK(values<std::int8_t>(only(folder, typed_tensor("w", int8, {4}, packed(5, {-128, 127, 0, -1})))) == std::vector<std::int8_t>{-128, 127, 0, -1});
    CHECK(values<std::uint8_t>(only(folder, typed_tensor("w", uint8, {2}, packed(5, {255, 7})))) == std::vector<std::uint8_t>{255, 7});
    CHECK(values<std::int16_t>(only(folder, typed_tensor("w", int16, {2}, packed(5, {-32768, 32767})))) == std::vector<std::int16_t>{-32768, 32767});
    CHECK(values<std::uint16_t>(only(folder, typed_tensor("w", uint16, {1}, packed(5, {65535})))) == std::vector<std::uint16_t>{65535});
    CHECK(values<std::int32_t>(only(folder, typed_tensor("w", int32, {2}, packed(5, {-2147483648, 2147483647}))))
          == std::vector<std::int32_t>{-2147483648, 2147483647});
    // -1 as 32 bits, which some write
    CHECK(values<std::int8_t>(only(folder, typed_tensor("w", int8, {1}, packed(5, {0xffffffff})))) == std::vector<std::int8_t>{-1});
    CHECK(values<std::int64_t>(only(folder, typed_tensor("w", int64, {2}, packed(7, {INT64_MIN, INT64_MAX})))) == std::vector<std::int64_t>{INT64_MIN, INT64_MAX});
    CHECK(values<std::uint32_t>(only(folder, typed_tensor("w", uint32, {1}, packed(11, {0xffffffff})))) == std::vector<std::uint32_t>{0xffffffff});
    CHECK(values<std::uint64_t>(only(folder, typed_tensor("w", uint64, {1}, packed(11, {-1})))) == std::vector<std::uint64_t>{UINT64_MAX});
    CHECK(values<std::uint8_t>(only(folder, typed_tensor("w", boolean, {3}, packed(5, {1, 0, 1})))) == std::vector<std::uint8_t>{1, 0, 1});
    for (const unsigned type : {f16, bf16})
        CHECK(values<std::uint16_t>(only(folder, typed_tensor("w", type, {2}, packed(5, {0x3c01, 0xc000})))) == std::vector<std::uint16_t>{0x3c01, 0xc000});
    for (const unsigned type : {float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0})
        CHECK(values<std::uint8_t>(only(folder, typed_tensor("w", type, {2}, packed(5, {0x7e, 0x81})))) == std::vector<std::uint8_t>{0x7e, 0x81});
    // one field each, and several runs
    CHECK(values<float>(only(folder, typed_tensor("w", f32, {3}, fixed(4, 1.0F) + bytes(4, raw({2.0F})) + fixed(4, 3.0F)))) == std::vector<float>{1, 2, 3});
    CHECK(values<double>(only(folder, typed_tensor("w", f64, {2}, fixed(10, 1.0) + fixed(10, 2.0)))) == std::vector<double>{1, 2});
    CHECK(values<float>(only(folder, typed_tensor("w", complex64, {1}, fixed(4, 1.0F) + fixed(4, 2.0F)))) == std::vector<float>{1, 2});
    const named_tensor ints = only(folder, typed_tensor("w", int32, {4}, number(5, 1) + packed(5, {2, 3}) + number(5, 4)));
    CHECK(values<std::int32_t>(ints) == std::vector<std::int32_t>{1, 2, 3, 4});
    CHECK(ints.storage() == "I32 as numbers");
    CHECK(ints.stored_bytes() > 8);
    CHECK_FALSE(ints.decoder->determined_by_bytes());  // the name is among them
}

TEST_CASE("many numbers are found wherever a part of them begins")
{
    // 10,000 numbers that take 1 to 10 bytes, the first half in one run, the second in fields of their own
    std::string run, fields;
    std::vector<std::int64_t> expected;
    for (std::int64_t i = 0; i < 10'000; ++i) {
        expected.push_back((i % 2 == 0 ? 1 : -1) * (i << (i % 40)));
        (i < 5'000 ? run : fields) += (i < 5'000 ? std::string() : varint(7 << 3)) + varint(static_cast<std::uint64_t>(expected.back()));
    }
    const files::temporary_folder folder;
    const named_tensor w = only(folder, typed_tensor("w", int64, {100, 100}, bytes(7, run) + fields));
    CHECK(values<std::int64_t>(w) == expected);
    for (const std::size_t first : {0, 1, 4095, 4096, 4097, 4999, 5000, 8191, 9999}) {
        std::int64_t one = 0;
        w.decoder->decode(first, std::as_writable_bytes(std::span(&one, 1)));
        CHECK(one == expected[first]);
    }
}

TEST_CASE("elements narrower than a byte are shown in one that holds them, low bits first")
{
    const files::temporary_folder folder;
    // 0xf8 0x07: 8 15 7 0 without sign, -8 -1 7 0 with
    const named_tensor u = only(folder, raw_tensor("w", uint4, {3}, "\xf8\x07"sv));
    CHECK(u.dtype == dtype::uint8);
    CHECK(u.storage() == "UINT4");
    CHECK(u.stored_bytes() == 2);
    CHECK(u.decoder->determined_by_bytes());
    CHECK(values<std::uint8_t>(u) == std::vector<std::uint8_t>{8, 15, 7});
    const named_tensor i = only(folder, typed_tensor("w", int4, {2, 2}, packed(5, {0xf8, 0x07})));
    CHECK(i.dtype == dtype::int8);
    CHECK(values<std::int8_t>(i) == std::vector<std::int8_t>{-8, -1, 7, 0});
    // 0xe4: 0 1 2 3 without sign, 0 1 -2 -1 with
    CHECK(values<std::uint8_t>(only(folder, raw_tensor("w", uint2, {4}, "\xe4"sv))) == std::vector<std::uint8_t>{0, 1, 2, 3});
    CHECK(values<std::int8_t>(only(folder, raw_tensor("w", int2, {3}, "\xe4"sv))) == std::vector<std::int8_t>{0, 1, -2});
    const named_tensor e2m1 = only(folder, raw_tensor("w", float4e2m1, {16}, "\x10\x32\x54\x76\x98\xba\xdc\xfe"sv));
    CHECK(e2m1.dtype == dtype::float32);
    CHECK(values<float>(e2m1) == std::vector<float>{0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6});
    for (std::size_t first = 0; first < 3; ++first) {
        std::byte one{};
        u.decoder->decode(first, std::span(&one, 1));
        CHECK(one == std::byte{values<std::uint8_t>(u)[first]});
    }
}

TEST_CASE("texts and sparse tensors are listed")
{
    const files::temporary_folder folder;
    const named_tensor texts = only(folder, typed_tensor("w", text, {2}, bytes(6, "a") + bytes(6, "b")));
    CHECK(texts.dtype == dtype::opaque);
    CHECK(texts.storage() == "STRING");
    const weightscope::model m = read(folder, onnx_writer::model(bytes(15, bytes(1, raw_tensor("s", f32, {1}, raw({3.0F})))
                                                                              + bytes(2, raw_tensor("", int64, {1}, raw({std::int64_t{5}}))) + number(3, 4) + number(3, 6))));
    CHECK(find(m, "s").shape == std::vector<std::size_t>{4, 6});
    CHECK(find(m, "s").dtype == dtype::opaque);
    CHECK(find(m, "s").storage() == "sparse FLOAT");
    CHECK(refusal(onnx_writer::model(bytes(15, number(3, 4)))).find("sparse_tensor: has no values") != std::string::npos);
}

TEST_CASE("constants, also those in branches and functions, are tensors under the names of their outputs")
{
    const auto inner = [](float x) { return constant("c", attribute_of("value", bytes(5, raw_tensor("ignored", f32, {1}, raw({x}))))); };
    const std::string loop = node("Loop", {"n"}, {"l"}, attribute_of("body", bytes(6, inner(3))));
    std::string graph = constant("f", attribute_of("value_float", fixed(2, 1.5F))) + constant("i", attribute_of("value_int", number(3, 7)));
    graph += constant("fs", attribute_of("value_floats", bytes(7, raw({1.0F, 2.0F})))) + constant("is", attribute_of("value_ints", number(8, 5) + number(8, 6)));
    graph += constant("text", attribute_of("value_string", bytes(4, "not a tensor")));
    graph += node("If", {"x"}, {"y"}, attribute_of("then_branch", bytes(6, inner(1))) + attribute_of("else_branch", bytes(6, inner(2) + loop)), {}, "If_3");
    const std::string function = bytes(25, bytes(1, "Act") + bytes(7, bytes(2, "k") + bytes(4, "Constant") + attribute_of("value_int", number(3, 42))));
    const files::temporary_folder folder;
    const weightscope::model m = read(folder, onnx_writer::model(graph, function));
    CHECK(m.tensors.size() == 8);
    CHECK(find(m, "f").shape.empty());
    CHECK(values<float>(find(m, "f")) == std::vector<float>{1.5F});
    CHECK(values<std::int64_t>(find(m, "i")) == std::vector<std::int64_t>{7});
    CHECK(values<float>(find(m, "fs")) == std::vector<float>{1, 2});
    CHECK(values<std::int64_t>(find(m, "is")) == std::vector<std::int64_t>{5, 6});
    CHECK(values<float>(find(m, "If_3.then_branch/c")) == std::vector<float>{1});
    CHECK(values<float>(find(m, "If_3.else_branch/c")) == std::vector<float>{2});
    CHECK(values<float>(find(m, "If_3.else_branch/Loop_1.body/c")) == std::vector<float>{3});
    CHECK(values<std::int64_t>(find(m, "k")) == std::vector<std::int64_t>{42});
}

TEST_CASE("what a model says about itself is its metadata")
{
    const files::temporary_folder folder;
    const weightscope::model m = read(folder, onnx_writer::model("", bytes(3, "1.2") + number(5, 3) + bytes(8, bytes(1, "com.microsoft") + number(2, 1))
                                                                         + bytes(14, bytes(1, "key") + bytes(2, "value"))));
    CHECK(m.format == "ONNX");
    CHECK(m.architecture == "g");
    CHECK(m.metadata
          == model_metadata{{"ir_version", "10"}, {"producer_name", "test"}, {"producer_version", "1.2"}, {"model_version", "3"},
                            {"opset_import", "ai.onnx 21, com.microsoft 1"}, {"key", "value"}});
}

TEST_CASE("no cut and no changed byte of a model crashes the reader")
{
    const std::string good = rich_model();
    CHECK(refusal(good) == "nothing was thrown");
    const files::temporary_folder folder;
    const auto look = [&](std::string_view content) {
        try {
            for (const named_tensor& tensor : read(folder, content).tensors)
                if (tensor.size() < 100'000 && bits_of(tensor.dtype) >= 8)
                    (void)detail::value_bytes_of(tensor);
        } catch (const io_error&) {
            return true;
        }
        return false;
    };
    std::size_t refused = 0;
    for (std::size_t size = 1; size < good.size(); size += 3)
        refused += look(std::string_view(good).substr(0, size));
    CHECK(refused > good.size() / 4);  // a cut between two fields of the model leaves a model
    random_stream random(5);
    for (int i = 0; i < 2000; ++i) {
        std::string damaged = good;
        damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
        (void)look(damaged);
    }
}

TEST_CASE("damaged messages are refused with the byte at fault")
{
    CHECK(refusal("\x08") == "byte 1: model: a number is cut off" + again);
    CHECK(refusal("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01") == "byte 1: model: a number does not end after 10 bytes" + again);
    CHECK(refusal("\x3a\x05"sv) == "byte 0: model: field 7 has 5 bytes, but 0 are left" + again);
    CHECK(refusal("\x3b"sv) == "byte 0: model: found a field of the unknown wire type 3" + again);
    CHECK(refusal("\x07"sv) == "byte 0: model: found the field number 0, which is none" + again);
    CHECK(refusal("\x38\x05"sv) == "byte 0: model: field 7 is no text or message" + again);
    CHECK(refusal("\x0a\x01x"sv) == "byte 0: model: field 1 is no whole number" + again);
    // a length of 2^32 + 1, which must not be cut to 32 bits
    CHECK(refusal("\x3a\x81\x80\x80\x80\x10x"sv) == "byte 0: model: field 7 has 4294967297 bytes, but 1 are left" + again);
    std::string deep;
    for (int i = 0; i < 34; ++i)
        deep = node("If", {}, {}, attribute_of("then_branch", bytes(6, deep)));
    CHECK(refusal(onnx_writer::model(deep)).find(": graph: graphs are nested deeper than 32 levels" + again) != std::string::npos);
}

TEST_CASE("tensors that are not what they say are refused by their names")
{
    CHECK(tensor_refusal(raw_tensor("w", 0, {1}, "x")) == "tensor 'w': data_type: is 0, expected 1 to 26; this version knows FLOAT to INT2");
    CHECK(tensor_refusal(raw_tensor("w", 27, {1}, "x")) == "tensor 'w': data_type: is 27, expected 1 to 26; this version knows FLOAT to INT2");
    CHECK(tensor_refusal(raw_tensor("w\n", f32, {3}, "x")) == "tensor 'w\\u{a}': data: has 1 bytes, but [3] of FLOAT needs 12" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {3}, "")) == "tensor 'w': data: has 0 bytes, but [3] of FLOAT needs 12" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {3}, packed(5, {1, 2}))) == "tensor 'w': data: has 2 numbers, but [3] of INT8 needs 3" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {1}, packed(5, {128}) + packed(5, {200, 256})))
          == "tensor 'w': the value 256 does not fit into 8 bits" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {1}, packed(5, {-129}))) == "tensor 'w': the value -129 does not fit into 8 bits" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {1}, packed(7, {1}))) == "tensor 'w': data: stand in field 7, but INT8 belongs into 9 or 5" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {1}, packed(5, {1}) + bytes(9, "x"))) == "tensor 'w': data: stand twice, in the fields 5 and 9" + again);
    CHECK(tensor_refusal(typed_tensor("w", int8, {1}, bytes(5, "\x80"))) == "tensor 'w': a number is cut off or longer than 10 bytes" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {2}, fixed(4, 1.0F) + bytes(4, "abc"))) == "tensor 'w': a number is cut off" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {1}, number(4, 1))) == "tensor 'w': field 4 holds numbers of another kind" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {std::uint64_t(-2)}, "")) == "tensor 'w': dims: an extent is -2, expected 0 to 2^62" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {std::uint64_t{1} << 40, std::uint64_t{1} << 40}, ""))
          == "tensor 'w': dims: [1099511627776, 1099511627776] has more than 2^56 elements" + again);
    CHECK(tensor_refusal(typed_tensor("w", f32, {1}, bytes(3, ""))) == "tensor 'w': segment: is not supported; save the tensor in one piece");
    std::string many;
    for (int i = 0; i < 65; ++i)
        many += number(1, 1);
    CHECK(tensor_refusal(many + raw_tensor("w", int8, {}, "x")) == "tensor 'w': dims: has more than 64 dimensions" + again);
    const std::string twice = initializer(raw_tensor("w", int8, {}, "x"));
    CHECK(refusal(onnx_writer::model(twice + twice)).find("tensor 'w': the name stands twice in one graph" + again) != std::string::npos);
}

TEST_CASE("external data lie in a file beside the model and nowhere else")
{
    const files::temporary_folder folder;
    const std::string four = raw({1.0F, 2.0F, 3.0F, 4.0F});
    files::write(folder / "model/w.data", four);
    files::write(folder / "model/below/x.data", four);
    files::write(folder / "outside.data", four);
    const auto path = folder / "model/m.onnx";
    const auto write = [&](std::initializer_list<std::pair<const char*, const char*>> entries, shape dims = {2}) {
        files::write(path, onnx_writer::model(initializer(typed_tensor("w", f32, dims, external(entries)))));
    };
    const auto refused = [&](std::initializer_list<std::pair<const char*, const char*>> entries) {
        write(entries);
        const std::string text = message<io_error>([&] { (void)read_onnx(path); });
        const std::size_t at = text.find("external_data: ");
        return at == std::string::npos ? text : text.substr(at + 15);
    };

    write({{"location", "w.data"}, {"offset", "4"}, {"length", "8"}, {"checksum", "?"}});
    const named_tensor w = read_onnx(path).tensors.at(0);
    CHECK(values<float>(w) == std::vector<float>{2, 3});
    CHECK(w.file->path().filename() == "w.data");
    CHECK(w.offset == 4);
    write({{"location", "below/x.data"}});
    CHECK(values<float>(read_onnx(path).tensors.at(0)) == std::vector<float>{1, 2});
    write({{"location", "not there"}}, {0});
    CHECK(read_onnx(path).tensors.at(0).size() == 0);

    const std::string distrust = "; do not trust this model", cure = "; download or write the files again";
    CHECK(refused({{"location", "../outside.data"}}) == "the file '../outside.data' lies outside of the model's folder" + distrust);
    CHECK(refused({{"location", "/etc/passwd"}}) == "the file '/etc/passwd' lies outside of the model's folder" + distrust);
    CHECK(refused({{"offset", "0"}}) == "names no file");
    CHECK(refused({{"location", "none.data"}}) == "the file 'none.data' is not there; download it as well");
    CHECK(refused({{"location", "w.data"}, {"length", "12"}}) == "has 12 bytes, but the tensor needs 8" + cure);
    CHECK(refused({{"location", "w.data"}, {"offset", "9"}}) == "bytes 9 to 17 are not in 'w.data', which has 16" + cure);
    CHECK(refused({{"location", "w.data"}, {"offset", "18446744073709551615"}}) == "its offset is '18446744073709551615', expected a whole number");
    CHECK(refused({{"location", "w.data"}, {"offset", "-4"}}) == "its offset is '-4', expected a whole number");
    std::filesystem::create_symlink(folder / "outside.data", folder / "model/link.data");
    CHECK(refused({{"location", "link.data"}}) == "the file 'link.data' is a link that leads out of the model's folder" + distrust);

    // in the hub cache both are links into one folder
    write({{"location", "w.data"}});
    std::filesystem::create_directory(folder / "snapshot");
    std::filesystem::create_symlink(path, folder / "snapshot/m.onnx");
    std::filesystem::create_symlink(folder / "model/w.data", folder / "snapshot/w.data");
    CHECK(values<float>(read_onnx(folder / "snapshot/m.onnx").tensors.at(0)) == std::vector<float>{1, 2});
}

TEST_CASE("every malformed external tensor of another kind is refused")
{
    CHECK(tensor_refusal(typed_tensor("w", text, {1}, external({{"location", "x"}}))) == "tensor 'w': data_location: is EXTERNAL, which STRING cannot be" + again);
    CHECK(tensor_refusal(raw_tensor("w", int8, {1}, "x") + number(14, 1)) == "tensor 'w': data_location: is EXTERNAL, but the data are there as well" + again);
}
