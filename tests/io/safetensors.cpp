#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;
using namespace std::string_view_literals;

namespace {

std::vector<std::string> names_of(const model& m)
{
    std::vector<std::string> names;
    for (const auto& tensor : m.tensors)
        names.push_back(tensor.name);
    return names;
}

// What read_safetensors says about these bytes, without the file's name.
std::string refusal(std::string_view bytes)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.safetensors", bytes);
    const std::string text = message<io_error>([&] { (void)read_safetensors(path); });
    const std::string prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// The same for a file of 16 zero bytes of data, whose header holds `entries` between its braces.
std::string header_refusal(std::string_view entries)
{
    return refusal(files::safetensors("{" + std::string(entries) + "}", std::string(16, '\0')));
}

constexpr std::string_view again = "; download or write the file again";

}  // namespace

TEST_CASE("a safetensors file is read as its header says")
{
    const files::temporary_folder folder;
    std::string data(20, '\0');
    const float weights[] = {1, 2, 3, 4};
    std::memcpy(data.data(), weights, sizeof weights);
    const std::int16_t codes[] = {-5, 300};
    std::memcpy(data.data() + 16, codes, sizeof codes);
    const std::string header = R"({"__metadata__":{"format":"pt","note":"\u00e4"},)"
                               R"( "w" : {"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                               R"("codes":{"data_offsets":[16,20],"shape":[2],"dtype":"I16"}}   )";
    const auto path = files::write(folder / "a", files::safetensors(header, data));
    const model m = read_safetensors(path);

    CHECK(m.path == path);
    CHECK(m.format == "safetensors");
    CHECK(m.architecture.empty());
    CHECK(m.metadata == model_metadata{{"format", "pt"}, {"note", "ä"}});
    // each dtype is in order of name (there is one tensor of each), so all are put into natural order
    REQUIRE(names_of(m) == std::vector<std::string>{"codes", "w"});
    const named_tensor &i = m.tensors[0], &w = m.tensors[1];
    CHECK(w.shape == std::vector<std::size_t>{2, 2});
    CHECK(w.dtype == dtype::float32);
    CHECK(w.offset == 8 + header.size());
    CHECK(w.bytes.size() == 16);
    CHECK(w.tied_to.empty());
    CHECK(w.file->path() == path);
    CHECK(w.bytes.data() == w.file->bytes().data() + w.offset);
    CHECK(i.dtype == dtype::int16);
    CHECK(i.offset == w.offset + 16);
    CHECK(visit(i, [](const auto& view) { return static_cast<double>(view(0)) + static_cast<double>(view(1)); })
          == 295);
    CHECK(visit(w, [](const auto& view) { return static_cast<double>(view(1, 0)); }) == 3);
}

TEST_CASE("a header without tensors, with null metadata, and one with unknown fields are legal")
{
    const files::temporary_folder folder;
    CHECK(read_safetensors(files::write(folder / "a", files::safetensors("{}"))).tensors.empty());
    CHECK(
        read_safetensors(files::write(folder / "b", files::safetensors(R"({"__metadata__":null})"))).metadata.empty());
    CHECK(read_safetensors(files::write(folder / "c", files::safetensors(R"({"__metadata__":{}})"))).metadata.empty());
    // the reference passes over fields that it does not know, whatever is in them
    const model m = read_safetensors(files::write(
        folder / "d", files::safetensors(
                          R"({"a":{"dtype":"U8","x":[1,{"shape":[-1.5,"y"],"data_offsets":null}],"shape":[2],"y":-1e3,)"
                          R"("data_offsets":[0,2],"z":{"dtype":"F99"}}})",
                          "ab")));
    REQUIRE(m.tensors.size() == 1);
    CHECK(m.tensors[0].shape == std::vector<std::size_t>{2});
}

TEST_CASE("scalars and empty tensors are legal anywhere")
{
    const files::temporary_folder folder;
    const model m = read_safetensors(
        files::write(folder / "a", files::safetensors(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                                      R"("e":{"dtype":"F64","shape":[0,7],"data_offsets":[4,4]},)"
                                                      R"("f":{"dtype":"F64","shape":[3,0],"data_offsets":[0,0]}})",
                                                      std::string(4, '\0'))));
    CHECK(m.tensors.size() == 3);
    for (const auto& tensor : m.tensors)
        CHECK(visit(tensor, [&](const auto& view) { return view.dimension(); }) == tensor.shape.size());
}

TEST_CASE("tensors that the writer sorted by name come in natural order, others as they lie")
{
    const files::temporary_folder folder;
    const auto order = [&](const std::vector<std::pair<std::string, std::string>>& names_and_dtypes) {
        std::string header;
        std::size_t begin = 0;
        for (const auto& [name, type] : names_and_dtypes) {
            const std::size_t end = begin + bits_of(*parse_dtype(type)) / 8;
            // the header is written backwards: its order does not count
            header = "\"" + name + R"(":{"dtype":")" + type + R"(","shape":[],"data_offsets":[)" + std::to_string(begin)
                     + "," + std::to_string(end) + "]}" + (header.empty() ? "" : ",") + header;
            begin = end;
        }
        return names_of(read_safetensors(
            files::write(folder / "a", files::safetensors("{" + header + "}", std::string(begin, '\0')))));
    };
    using names = std::vector<std::string>;
    // sorted by bytes: natural
    CHECK(order({{"l.0", "F32"}, {"l.1", "F32"}, {"l.10", "F32"}, {"l.2", "F32"}})
          == names{"l.0", "l.1", "l.2", "l.10"});
    // sorted by dtype and then by bytes, as the reference does
    CHECK(order({{"l.10", "F32"}, {"l.2", "F32"}, {"l.1", "BF16"}, {"l.3", "BF16"}})
          == names{"l.1", "l.2", "l.3", "l.10"});
    // the model's own order
    CHECK(order({{"wte", "F32"}, {"h.0", "F32"}, {"h.1", "F32"}, {"head", "F32"}})
          == names{"wte", "h.0", "h.1", "head"});
    CHECK(order({{"b", "F32"}, {"a", "F32"}}) == names{"b", "a"});
}

TEST_CASE("a damaged header length is refused")
{
    CHECK(refusal("abc") == "byte 3: header length: the file ends after 3 of its 8 bytes" + std::string(again));
    CHECK(refusal("\x01\0\0\0\0\0\0\0"sv)
          == "byte 8: header: the file ends after 0 of 1 bytes of it" + std::string(again));
    CHECK(refusal("\0\0\0\0\0\0\0\0"sv)
          == "byte 8: header: begins with '', expected '{'; either this is no safetensors file or it is damaged");
    CHECK(refusal(files::safetensors("[]"))
          == "byte 8: header: begins with '[', expected '{'; either this is no safetensors file or it is damaged");
    CHECK(refusal("\xff\xff\xff\xff\xff\xff\xff\xff{}"sv)
          == "byte 0: header length: 18446744073709551615 bytes, expected at most 100000000; either this is no safetensors file "
             "or it is damaged");
    CHECK(refusal("\x01\xe1\xf5\x05\0\0\0\0{}"sv)  // 100,000,001
          == "byte 0: header length: 100000001 bytes, expected at most 100000000; either this is no safetensors file or it is "
             "damaged");
    CHECK(refusal("\x00\xe1\xf5\x05\0\0\0\0{}"sv)
          == "byte 10: header: the file ends after 2 of 100000000 bytes of it" + std::string(again));
}

TEST_CASE("a header that is no JSON is refused where it stops being it")
{
    const auto json_refusal = [](std::string_view header) { return refusal(files::safetensors(header)); };
    const std::string end(again);
    CHECK(json_refusal("{") == "byte 9: header: the JSON text ends too early" + end);
    CHECK(json_refusal(R"({"a":{"dtype")") == "byte 21: header: the JSON text ends too early" + end);
    CHECK(json_refusal("{}x") == "byte 10: header: cannot be read as JSON at 'x'" + end);
    CHECK(json_refusal("{} {}") == "byte 11: header: cannot be read as JSON at '{'" + end);
    CHECK(json_refusal("{'a':1}") == "byte 9: header: cannot be read as JSON at '''" + end);
    CHECK(json_refusal(R"({"a":{"shape":[1,,2]}})") == "byte 25: header: cannot be read as JSON at ','" + end);
    CHECK(json_refusal(R"({"a":{"shape":[1)"
                       "\n"
                       R"( 1e999]}})")
          == "byte 30: header: cannot be read as JSON at '9'" + end);
    CHECK(json_refusal("{\"a\xff\":{}}")
          == "byte 11: header: byte 0xff cannot stand in a JSON text, which is UTF-8" + end);
    CHECK(json_refusal("{}\0\0"sv) == "byte 10: header: byte 0x00 cannot stand in a JSON text, which is UTF-8" + end);
    CHECK(json_refusal(R"({"\ud800":{}})") == "byte 16: header: cannot be read as JSON at '\"'" + end);
    CHECK(json_refusal(R"({"a":nuä})") == "byte 15: header: cannot be read as JSON at 'ä'" + end);
    CHECK(json_refusal(R"({"a" 1})") == "byte 13: header: cannot be read as JSON at '1'" + end);
    CHECK(json_refusal("{\"a\nb\":1}") == "byte 11: header: cannot be read as JSON at '\\u{a}'" + end);
    CHECK(json_refusal(R"({"a":{"x":)" + std::string(100, '[') + std::string(100, ']') + "}}")
          == "byte 80: header: objects and arrays are nested deeper than 64 levels" + end);
}

TEST_CASE("a key that stands twice is refused")
{
    const std::string end(again);
    CHECK(
        header_refusal(
            R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[8,16]})")
        == "byte 61: header: the key 'a' stands twice in one object" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]})")
          == "byte 27: header: the key 'dtype' stands twice in one object" + end);
    CHECK(header_refusal(R"("__metadata__":{"k\n":"1","k\n":"2"})")
          == "byte 35: header: the key 'k\\u{a}' stands twice in one object" + end);
}

TEST_CASE("an entry that is not what it should be is refused with its field")
{
    const std::string end(again);
    const std::string numbers = ", expected a whole number from 0 to 2^64 - 1" + end;
    CHECK(header_refusal(R"("a":1)")
          == "byte 13: tensor 'a': found 1, expected an object with dtype, shape and data_offsets" + end);
    CHECK(header_refusal(R"("a":[1])")
          == "byte 13: tensor 'a': found an array, expected an object with dtype, shape and data_offsets" + end);
    CHECK(header_refusal(R"("a":null)")
          == "byte 13: tensor 'a': found null, expected an object with dtype, shape and data_offsets" + end);
    CHECK(header_refusal(R"("__metadata__":[])")
          == "byte 24: __metadata__: found an array, expected an object of strings" + end);
    CHECK(header_refusal(R"("__metadata__":{"k":true})")
          == "byte 29: __metadata__ 'k': found a boolean, expected a string" + end);
    CHECK(header_refusal(R"("__metadata__":{"k":{"x":"y"}})")
          == "byte 29: __metadata__ 'k': found an object, expected a string" + end);

    CHECK(header_refusal(R"("a":{"dtype":5,"shape":[8],"data_offsets":[0,8]})")
          == "byte 22: tensor 'a': dtype: found 5, expected a string" + end);
    CHECK(header_refusal(R"("a":{"dtype":"F99","shape":[8],"data_offsets":[0,8]})")
          == "byte 22: tensor 'a': dtype: 'F99' is unknown; this version knows F64 F32 F16 BF16 F8_E4M3 F8_E5M2 F8_E4M3FNUZ "
             "F8_E5M2FNUZ F8_E8M0 I8 U8 I16 U16 I32 U32 I64 U64 BOOL F4 F6_E2M3 F6_E3M2 C64");
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":8,"data_offsets":[0,8]})")
          == "byte 35: tensor 'a': shape: found 8, expected an array of whole numbers" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]})")
          == "byte 36: tensor 'a': shape: found -8" + numbers);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})")
          == "byte 36: tensor 'a': shape: found 8.0" + numbers);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,8]})")
          == "byte 36: tensor 'a': shape: found 18446744073709551616" + numbers);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[4,[2]],"data_offsets":[0,8]})")
          == "byte 38: tensor 'a': shape: found an array" + numbers);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":["8"],"data_offsets":[0,8]})")
          == "byte 36: tensor 'a': shape: found the string '8'" + numbers);
    std::string ones = "1";
    for (int i = 0; i < 64; ++i)
        ones += ",1";
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]})")
          == "byte 164: tensor 'a': shape: holds more than 64 numbers, expected at most 64" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]})")
          == "byte 59: tensor 'a': data_offsets: holds more than 2 numbers, expected at most 2" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0]})")
          == "byte 54: tensor 'a': data_offsets: holds 1 numbers, expected [begin, end]" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[8],"data_offsets":{"0":8}})")
          == "byte 54: tensor 'a': data_offsets: found an object, expected an array of whole numbers" + end);

    CHECK(header_refusal(R"("a":{})") == "byte 9: tensor 'a': dtype: is missing" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","data_offsets":[0,8]})")
          == "byte 9: tensor 'a': shape: is missing" + end);
    CHECK(header_refusal(R"("a":{"dtype":"U8","shape":[8]})") == "byte 9: tensor 'a': data_offsets: is missing" + end);
}

TEST_CASE("a size that does not fit the shape is refused")
{
    const std::string end(again);
    const auto entry = [](std::string_view type, std::string_view shape, std::string_view offsets) {
        return header_refusal(R"("a":{"dtype":")" + std::string(type) + R"(","shape":)" + std::string(shape)
                              + R"(,"data_offsets":)" + std::string(offsets) + "}");
    };
    CHECK(entry("F32", "[5]", "[0,16]")
          == "byte 55: tensor 'a': data_offsets: [0, 16] hold 16 bytes, but shape [5] of F32 needs 20" + end);
    CHECK(entry("F32", "[]", "[0,16]")
          == "byte 54: tensor 'a': data_offsets: [0, 16] hold 16 bytes, but shape [] of F32 needs 4" + end);
    CHECK(entry("F32", "[4]", "[16,0]")
          == "byte 55: tensor 'a': data_offsets: [16, 0] run backwards; expected begin <= end" + end);
    const std::string whole = " is no whole number of bytes below 2^60" + end;
    CHECK(entry("F32", "[1099511627776,1099511627776]", "[0,16]")
          == "byte 36: tensor 'a': shape: [1099511627776, 1099511627776] of F32" + whole);
    CHECK(entry("U8", "[18446744073709551615,18446744073709551615,18446744073709551615]", "[0,16]")
          == "byte 35: tensor 'a': shape: [18446744073709551615, 18446744073709551615, 18446744073709551615] of U8"
                 + whole);
    CHECK(entry("U8", "[0,4611686018427387904,4]", "[0,0]")  // empty, but its strides overflow
          == "byte 35: tensor 'a': shape: [0, 4611686018427387904, 4] of U8" + whole);
    CHECK(entry("F4", "[3]", "[0,2]") == "byte 35: tensor 'a': shape: [3] of F4" + whole);
    CHECK(entry("F6_E2M3", "[2]", "[0,2]") == "byte 40: tensor 'a': shape: [2] of F6_E2M3" + whole);
}

TEST_CASE("tensors must fill the data section without overlap, hole or rest")
{
    const std::string end(again);
    const auto two = [](std::string_view first, std::string_view second) {
        return header_refusal(R"("a":{"dtype":"U8","shape":[8],"data_offsets":)" + std::string(first)
                              + R"(},"b":{"dtype":"U8","shape":[8],"data_offsets":)" + std::string(second) + "}");
    };
    CHECK(two("[0,8]", "[8,16]") == "nothing was thrown");
    CHECK(two("[8,16]", "[0,8]") == "nothing was thrown");
    CHECK(two("[0,8]", "[7,15]") == "byte 106: tensor 'b': data_offsets: [7, 15] overlap [0, 8] of tensor 'a'" + end);
    CHECK(two("[0,8]", "[0,8]") == "byte 106: tensor 'b': data_offsets: [0, 8] overlap [0, 8] of tensor 'a'" + end);
    CHECK(two("[4,12]", "[0,8]") == "byte 54: tensor 'a': data_offsets: [4, 12] overlap [0, 8] of tensor 'b'" + end);
    CHECK(two("[0,8]", "[9,17]")
          == "byte 106: tensor 'b': data_offsets: [9, 17] end 1 bytes behind the file's end" + end);
    CHECK(two("[0,8]", "[18446744073709551600,18446744073709551608]")
          == "byte 106: tensor 'b': data_offsets: [18446744073709551600, 18446744073709551608] end 18446744073709551592 bytes "
             "behind the file's end"
                 + end);
    const auto one = [](std::string_view offsets, std::string_view size) {
        return header_refusal(R"("a":{"dtype":"U8","shape":[)" + std::string(size) + R"(],"data_offsets":)"
                              + std::string(offsets) + "}");
    };
    CHECK(one("[8,16]", "8") == "byte 62: tensor 'a': data_offsets: the 8 bytes before it belong to no tensor" + end);
    CHECK(one("[0,8]", "8") == "byte 69: data: 8 bytes follow the last tensor, expected none" + end);
    CHECK(header_refusal("") == "byte 10: data: 16 bytes follow the last tensor, expected none" + end);
}

TEST_CASE("an io_error carries file, byte and field, and shows names harmless and short")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a", files::safetensors(R"({"\u001b[31m":7})"));
    try {
        (void)read_safetensors(path);
        FAIL("nothing was thrown");
    } catch (const io_error& e) {
        CHECK(e.file() == path);
        CHECK(e.offset() == 22u);
        CHECK(e.field() == "tensor '\\u{1b}[31m'");
    }
    const std::string text = refusal(files::safetensors("{\"" + std::string(5000, 'n') + "\":7}"));
    CHECK(text.size() < 300);
}

TEST_CASE("tensors of every dtype survive writing and reading")
{
    const files::temporary_folder folder;
    std::vector<std::byte> bytes(8 * 24);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(i * 37 + 11);
    std::vector<tensor_to_write> tensors;
    for (const auto& record : detail::dtypes)
        if (record.type != dtype::opaque)
            tensors.push_back({.name = "tensor of " + std::string(record.name),
                               .dtype = record.type,
                               .shape = {2, 3, 4},
                               .bytes = std::span(bytes).first(24 * record.bits / 8)});
    const model_metadata metadata = {{"format", "pt"}, {"quote\"\n", "ä\\\x01"}};
    write_safetensors(folder / "a", tensors, metadata);
    CHECK(folder.names() == std::vector<std::string>{"a"});

    const model m = read_safetensors(folder / "a");
    CHECK(m.metadata == metadata);
    REQUIRE(m.tensors.size() == tensors.size());
    for (const tensor_to_write& written : tensors) {
        const auto read =
            std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == written.name; });
        REQUIRE(read != m.tensors.end());
        CHECK(read->dtype == written.dtype);
        CHECK(read->shape == written.shape);
        CHECK(std::equal(read->bytes.begin(), read->bytes.end(), written.bytes.begin(), written.bytes.end()));
        const std::size_t alignment = std::max<std::size_t>(1, bits_of(read->dtype) / 8);
        CHECK(read->offset % alignment == 0);
    }
}

TEST_CASE("expressions are written in row-major order, whatever their layout")
{
    const files::temporary_folder folder;
    const xt::xtensor<float, 2> weight = {{1, 2, 3}, {4, 5, 6}};
    const xt::xtensor<float, 2, xt::layout_type::column_major> columns = weight;
    const xt::xarray<std::int8_t> scalar = 7;
    write_safetensors(folder / "a",
                      std::vector{to_write("z", weight), to_write("column", xt::view(weight, xt::all(), 1)),
                                  to_write("b", columns), to_write("a", weight * 2.0), to_write("scalar", scalar)});
    const model m = read_safetensors(folder / "a");
    using names = std::vector<std::string>;
    CHECK(names_of(m) == names{"a", "z", "column", "b", "scalar"});  // F64 first, then F32 as given, then I8
    const auto elements = [&](std::size_t i) {
        return visit(m.tensors[i], [](const auto& view) {
            return with_elements(view, [](auto span) { return std::vector<double>(span.begin(), span.end()); });
        });
    };
    using values = std::vector<double>;
    CHECK(elements(0) == values{2, 4, 6, 8, 10, 12});
    CHECK(elements(1) == values{1, 2, 3, 4, 5, 6});
    CHECK(elements(2) == values{2, 5});
    CHECK(elements(3) == values{1, 2, 3, 4, 5, 6});
    CHECK(elements(4) == values{7});
    CHECK(m.tensors[1].shape == std::vector<std::size_t>{2, 3});
    CHECK(m.tensors[4].shape.empty());
}

TEST_CASE("the bytes are those of the reference implementation")
{
    // from the tests of huggingface/safetensors, serialization of "attn.0" and "attn0" and of nothing
    const files::temporary_folder folder;
    const xt::xtensor<float, 3> three = {{{0, 1, 2}, {3, 4, 5}}};
    write_safetensors(folder / "a", std::vector{to_write("attn.0", three)});
    const std::string data("\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40"sv);
    CHECK(files::content(folder / "a")
          == files::safetensors(R"({"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}})", data));
    const xt::xtensor<float, 4> four = {{{{0, 1, 2}, {3, 4, 5}}}};
    write_safetensors(folder / "b", std::vector{to_write("attn0", four)});
    CHECK(files::content(folder / "b")
          == files::safetensors(R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )", data));
    write_safetensors(folder / "c", {});
    CHECK(files::content(folder / "c") == files::safetensors("{}      "));
    write_safetensors(folder / "d", {}, {{"framework", "pt"}});
    CHECK(files::content(folder / "d") == files::safetensors(R"({"__metadata__":{"framework":"pt"}}     )"));
}

TEST_CASE("bytes that a function produces are asked for one tensor at a time")
{
    const files::temporary_folder folder;
    std::vector<std::string> asked;
    const auto made = [&](std::string name, dtype type, std::size_t bytes) {
        return tensor_to_write{.name = name, .dtype = type, .shape = {2}, .produce = [&asked, name, bytes] {
                                   asked.push_back(name);
                                   return std::vector<std::byte>(bytes, std::byte{1});
                               }};
    };
    write_safetensors(folder / "a", std::vector{made("x", dtype::uint8, 2), made("y", dtype::float32, 8)});
    CHECK(asked == std::vector<std::string>{"y", "x"});
    CHECK(read_safetensors(folder / "a").tensors.size() == 2);

    CHECK(message<std::invalid_argument>(
              [&] { write_safetensors(folder / "a", std::vector{made("x", dtype::uint8, 3)}); })
          == "weightscope::write_safetensors(tensor 'x'): produced 3 bytes, but shape [2] of U8 needs 2");
    CHECK(read_safetensors(folder / "a").tensors.size() == 2);
    CHECK(folder.names() == std::vector<std::string>{"a"});
}

TEST_CASE("what cannot stand in a safetensors file is not written")
{
    const files::temporary_folder folder;
    const std::vector<std::byte> bytes(8);
    const auto refused = [&](std::vector<tensor_to_write> tensors, const model_metadata& metadata = {}) {
        return message<std::invalid_argument>([&] { write_safetensors(folder / "a", tensors, metadata); });
    };
    const auto tensor = [&](std::string name) {
        return tensor_to_write{.name = std::move(name), .dtype = dtype::float32, .shape = {2}, .bytes = bytes};
    };
    CHECK(refused({tensor("a"), tensor("a")})
          == "weightscope::write_safetensors(tensor 'a'): the name is taken; give each tensor its own");
    CHECK(refused({tensor("__metadata__")})
          == "weightscope::write_safetensors(tensor '__metadata__'): the name is taken; give each tensor its own");
    CHECK(refused({tensor("\xff")}) == "weightscope::write_safetensors(tensor '\\xff'): the name is not UTF-8");
    tensor_to_write wrong = tensor("a");
    wrong.dtype = dtype::opaque;
    CHECK(refused({wrong})
          == "weightscope::write_safetensors(tensor 'a'): safetensors has no dtype for codes whose meaning is unknown");
    wrong = tensor("a");
    wrong.shape = {3};
    CHECK(refused({wrong}) == "weightscope::write_safetensors(tensor 'a'): 8 bytes, but shape [3] of F32 needs 12");
    wrong.shape = {std::size_t{1} << 40, std::size_t{1} << 40};
    CHECK(refused({wrong})
          == "weightscope::write_safetensors(tensor 'a'): [1099511627776, 1099511627776] of F32 is no whole number of bytes "
             "below 2^60");
    CHECK(refused({}, {{"k", "\xff"}}) == "weightscope::write_safetensors(metadata 'k'): key or value is not UTF-8");
    CHECK(refused({}, {{"k", "1"}, {"k", "2"}})
          == "weightscope::write_safetensors(metadata 'k'): the key stands twice");
    CHECK(folder.names().empty());
    CHECK(message<write_error>([&] { write_safetensors(folder / "none/a", {}); })
          == (folder / "none/a").string() + ": cannot be written: No such file or directory; create its folder first");
}

TEST_CASE("no damage to a file makes reading it more than an io_error")
{
    const files::temporary_folder folder;
    const xt::xtensor<float, 2> weight = {{1, 2, 3}, {4, 5, 6}};
    const xt::xtensor<std::int8_t, 1> codes = {1, 2, 3};
    write_safetensors(folder / "a", std::vector{to_write("layers.0.weight", weight), to_write("codes", codes)},
                      {{"format", "pt"}});
    const std::string valid = files::content(folder / "a");

    std::mt19937 random(20240601);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    constexpr std::string_view alphabet = "0123456789-.e\"\\{}[]:, \n\x00\x80\xff"sv;
    int accepted = 0;
    for (int i = 0; i < 1000; ++i) {
        std::string bytes = valid;
        for (std::size_t changes = 1 + below(3); changes > 0 && !bytes.empty(); --changes) {
            const std::size_t at = below(bytes.size());
            switch (below(5)) {
                case 0:
                    bytes[at] = static_cast<char>(below(256));
                    break;
                case 1:
                    bytes[at] = alphabet[below(alphabet.size())];
                    break;
                case 2:
                    bytes.insert(at, 1, alphabet[below(alphabet.size())]);
                    break;
                case 3:
                    bytes.erase(at, 1 + below(4));
                    break;
                default:
                    bytes.resize(at);
            }
        }
        const auto path = files::write(folder / "damaged", bytes);
        try {
            const model m = read_safetensors(path);
            for (const auto& tensor : m.tensors)
                if (is_numeric(tensor.dtype))
                    visit(tensor, [&](const auto& view) { accepted += view.size() < 100 ? 1 : 0; });
        } catch (const io_error& e) {
            const std::string text = e.what();
            if (text.find('\n') != text.npos || text.size() > 1000)
                FAIL_CHECK(text);
        }
    }
    CHECK(accepted > 0);  // damage to data or to names goes unseen
}
