#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/metadata.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "gguf_writer.hpp"

using namespace weightscope;
using files::message;
using gguf_writer::array;
using gguf_writer::bytes_of;
using gguf_writer::texts;

namespace {

model opened(std::string_view content)
{
    const files::temporary_folder folder;
    return read_gguf(files::write(folder / "a.gguf", content));
}

// What read_gguf says about these bytes, without the file's name.
std::string refusal(std::string_view content)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.gguf", content);
    const std::string text = message<io_error>([&] { (void)read_gguf(path); });
    const std::string prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::vector<double> values_of(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& view) {
        return with_elements(view, [](auto elements) {
            std::vector<double> values;
            for (const auto x : elements)
                values.push_back(static_cast<double>(x));
            return values;
        });
    });
}

std::string blocks_of(const ggml_type& type, std::size_t count)
{
    std::string blocks(count * type.block_bytes, '\0');
    for (std::size_t i = 0; i < blocks.size(); ++i)
        blocks[i] = static_cast<char>(0x3f & (i * 37 + type.number));  // small numbers, neither NaN nor Inf
    return blocks;
}

const std::string again = "; download or write the file again";

// A tensor of 2 x 4 floats, and what its entry is changed to.
template <class Change>
std::string tensor_refusal(Change&& change)
{
    gguf_writer::file f;
    f.tensors.push_back({"t", {4, 2}, 0, std::string(32, '\0')});
    change(f);
    return refusal(f.content());
}

// A file that holds one key with this value.
std::string key_refusal(std::string_view value)
{
    gguf_writer::file f;
    f.keys.emplace_back("k", value);
    return refusal(f.content());
}

}  // namespace

TEST_CASE("a GGUF file is read as its header says")
{
    const files::temporary_folder folder;
    gguf_writer::file f;
    f.key("general.architecture", "llama").key("llama.block_count", std::uint32_t{2});
    const std::vector<float> w = {1, 2, 3, 4, 5, 6};
    f.tensors.push_back({"blk.0.attn_q.weight", {3, 2}, 0, bytes_of(w)});
    f.tensors.push_back({"codes", {2, 1, 1}, 25, bytes_of(std::vector<std::int16_t>{-5, 300})});
    f.tensors.push_back({"scalar", {}, 28, bytes_of(2.5)});
    f.tensors.push_back({"empty", {0, 7}, 1, ""});
    const auto path = files::write(folder / "a", f.content());
    const model m = read_gguf(path);

    CHECK(m.path == path);
    CHECK(m.format == "GGUF v3");
    CHECK(m.architecture == "llama");
    REQUIRE(m.tensors.size() == 4);
    const named_tensor &q = m.tensors[0], &codes = m.tensors[1], &scalar = m.tensors[2], &empty = m.tensors[3];
    CHECK(q.name == "blk.0.attn_q.weight");
    CHECK(q.shape == std::vector<std::size_t>{2, 3});  // [out, in]: the file's order turned around
    CHECK(q.dtype == dtype::float32);
    CHECK(q.decoder == nullptr);
    CHECK(q.storage() == "F32");
    CHECK(q.offset % 32 == 0);
    CHECK(q.bytes.data() == q.file->bytes().data() + q.offset);
    CHECK(values_of(q) == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(codes.shape == std::vector<std::size_t>{1, 1, 2});
    CHECK(codes.dtype == dtype::int16);
    CHECK(codes.offset == q.offset + 32);
    CHECK(values_of(codes) == std::vector<double>{-5, 300});
    CHECK(scalar.shape.empty());
    CHECK(values_of(scalar) == std::vector<double>{2.5});
    CHECK(empty.shape == std::vector<std::size_t>{7, 0});
    CHECK(values_of(empty).empty());
}

TEST_CASE("metadata of GGUF are kept as text, numbers as ones that read back the same")
{
    gguf_writer::file f;
    f.key("a", std::uint8_t{200}).key("b", std::int8_t{-100}).key("c", std::uint16_t{65535}).key("d", std::int16_t{-32768});
    f.key("e", std::uint32_t{4294967295}).key("f", std::int32_t{-7}).key("g", 1e-5f).key("h", true).key("i", false);
    f.key("j", "two\nlines").key("k", std::uint64_t{18446744073709551615u}).key("l", std::int64_t{-9}).key("m", 0.1);
    f.key("n", 3.4028234e38f).key("o", std::numeric_limits<float>::quiet_NaN());
    f.keys.emplace_back("p", array(4, 3, bytes_of(std::vector<std::uint32_t>{1, 2, 3})));
    f.keys.emplace_back("q", texts({"x", "y, z"}));
    f.keys.emplace_back("r", array(6, 513, std::string(4 * 513, '\0')));
    f.keys.emplace_back("s", texts(std::vector<std::string>(9, "token")));
    f.keys.emplace_back("t", array(8, 0, ""));
    f.keys.emplace_back("u", array(9, 2, bytes_of(std::uint32_t{0}) + bytes_of(std::uint64_t{2}) + "ab" + bytes_of(std::uint32_t{8})
                                             + bytes_of(std::uint64_t{1}) + gguf_writer::text("t")));
    f.keys.emplace_back("v", array(5, 512, bytes_of(std::vector<std::int32_t>(512, -1))));
    const model m = opened(f.content());
    model_metadata expected = {{"a", "200"},
                               {"b", "-100"},
                               {"c", "65535"},
                               {"d", "-32768"},
                               {"e", "4294967295"},
                               {"f", "-7"},
                               {"g", "1e-05"},
                               {"h", "true"},
                               {"i", "false"},
                               {"j", "two\nlines"},
                               {"k", "18446744073709551615"},
                               {"l", "-9"},
                               {"m", "0.1"},
                               {"n", "3.4028235e+38"},
                               {"o", "nan"},
                               {"p", "[1, 2, 3]"},
                               {"q", "[x, y, z]"},
                               {"r", "array of 513 x float32"},
                               {"s", "array of 9 x string"},
                               {"t", "[]"},
                               {"u", "array of 2 x array"}};
    std::string many = "[-1";
    for (int i = 1; i < 512; ++i)
        many += ", -1";
    expected.emplace_back("v", many + "]");
    CHECK(m.metadata == expected);
    CHECK(find_metadata(m, "f") == "-7");
    CHECK(find_metadata(m, "ff") == std::nullopt);
    CHECK(metadata_number<int>(*find_metadata(m, "f")) == -7);
    CHECK(metadata_number<unsigned>(*find_metadata(m, "f")) == std::nullopt);
    CHECK(metadata_number<double>(*find_metadata(m, "g")) == 1e-5);
    CHECK(metadata_number<int>(*find_metadata(m, "p")) == std::nullopt);
    CHECK(metadata_number<std::uint64_t>(*find_metadata(m, "k")) == 18446744073709551615u);

    gguf_writer::file long_text;
    long_text.key("k", std::string(1 << 20, 'x')).key("l", std::string((1 << 20) + 1, 'x'));
    const model described = opened(long_text.content());
    CHECK(described.metadata[0].second.size() == 1 << 20);
    CHECK(described.metadata[1].second == "text of 1048577 bytes");
}

TEST_CASE("every tensor type of GGUF is listed with its name and size, and those that can be are decoded")
{
    gguf_writer::file f;
    for (const ggml_type& type : ggml_types)
        f.tensors.push_back({std::string(type.name), {3 * type.block_weights, 2}, type.number, blocks_of(type, 6)});
    const model m = opened(f.content());
    REQUIRE(m.tensors.size() == ggml_types.size());
    std::size_t decoded = 0, plain = 0, opaque = 0;
    for (std::size_t i = 0; i < ggml_types.size(); ++i) {
        const ggml_type& type = ggml_types[i];
        const named_tensor& tensor = m.tensors[i];
        INFO(type.name);
        CHECK(tensor.storage() == type.name);
        CHECK(tensor.stored_bytes() == 6 * type.block_bytes);
        CHECK(tensor.bytes.size() == 6 * type.block_bytes);
        CHECK(tensor.size() == 6 * type.block_weights);
        plain += tensor.encoding.empty(), opaque += tensor.dtype == dtype::opaque, decoded += tensor.decoder != nullptr;
        if (tensor.dtype == dtype::opaque) {
            CHECK(message<std::invalid_argument>([&] { visit(tensor, [](const auto&) {}); })
                  == "weightscope::visit(tensor '" + std::string(type.name) + "'): " + std::string(type.name)
                         + " elements are listed, not analysed; expected a numeric dtype");
            continue;
        }
        const std::vector<double> values = values_of(tensor);
        CHECK(values.size() == tensor.size());
        bool finite = true, zero = true;
        for (const double x : values)
            finite = finite && std::isfinite(x), zero = zero && x == 0;
        CHECK(finite);
        CHECK(!zero);
    }
    CHECK(plain == 8);    // F32 F16 BF16 F64 I8 I16 I32 I64
    CHECK(opaque == 7);   // IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S
    CHECK(decoded == 20);
}

TEST_CASE("a part of a quantized tensor decodes to what stands there in the whole, wherever it begins and ends")
{
    for (const std::string_view name : {"Q4_0", "NVFP4", "Q6_K"}) {
        const ggml_type& type = *find_ggml_type(name);
        gguf_writer::file f;
        f.tensors.push_back({"w", {type.block_weights, 5}, type.number, blocks_of(type, 5)});
        const model m = opened(f.content());
        const named_tensor& tensor = m.tensors[0];
        CHECK(tensor.decoder->determined_by_bytes());
        std::vector<float> whole(tensor.size());
        tensor.decoder->decode(0, std::as_writable_bytes(std::span(whole)));
        std::size_t wrong = 0;
        const std::size_t step = type.block_weights / 16 + 1;
        for (std::size_t first = 0; first <= whole.size(); first += step)
            for (std::size_t last = first; last <= whole.size(); last += step) {
                std::vector<float> part(last - first + 1, -1000);
                tensor.decoder->decode(first, std::as_writable_bytes(std::span(part)).first(4 * (last - first)));
                wrong += !std::equal(part.begin(), part.end() - 1, whole.begin() + static_cast<std::ptrdiff_t>(first)) || part.back() != -1000;
            }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a large quantized tensor is decoded tile by tile, and its experts one by one")
{
    // Q8_0 with scale 1: the codes are the values
    std::string blocks;
    std::vector<double> expected;
    for (std::size_t block = 0; block < 3 * 70 * 3; ++block) {
        blocks += std::string("\x00\x3c", 2);
        for (std::size_t i = 0; i < 32; ++i) {
            blocks += static_cast<char>(block * 32 + i * 7);
            expected.push_back(static_cast<std::int8_t>(block * 32 + i * 7));
        }
    }
    std::string many;
    std::vector<double> many_expected;
    for (int i = 0; i < 4; ++i) {
        many += blocks;
        many_expected.insert(many_expected.end(), expected.begin(), expected.end());
    }
    gguf_writer::file f;
    f.tensors.push_back({"blk.0.ffn_up_exps.weight", {96, 70, 3}, 8, blocks});
    f.tensors.push_back({"w", {96, 840}, 8, many});  // 80,640 weights: more than a tile
    const model m = opened(f.content());
    CHECK(values_of(m.tensors[0]) == expected);
    CHECK(values_of(m.tensors[1]) == many_expected);
    const std::vector<named_tensor> experts = unstack_experts(m.tensors[0]);
    REQUIRE(experts.size() == 3);
    CHECK(experts[1].name == "blk.0.ffn_up_exps.weight[1]");
    CHECK(experts[1].stored_bytes() == 70 * 3 * 34);
    CHECK(values_of(experts[1]) == std::vector<double>(expected.begin() + 6720, expected.begin() + 13440));
}

TEST_CASE("tensors may come in any order, with gaps, and at the alignment that the file names")
{
    gguf_writer::file f{.version = 2, .alignment = 8};
    f.key("general.alignment", std::uint32_t{8});
    f.tensors.push_back({"a", {2}, 0, bytes_of(std::vector<float>{1, 2}), 16});
    f.tensors.push_back({"b", {1}, 28, bytes_of(3.0), 0});
    f.tensors.push_back({"e", {0}, 28, "", 8});
    const model m = opened(f.content() + "xyz12345");
    CHECK(m.format == "GGUF v2");
    CHECK(m.tensors[0].offset - m.tensors[1].offset == 16);
    CHECK(m.tensors[0].name == "a");
    const auto lies_at = m.tensors[0].offset - 16;
    CHECK(lies_at % 8 == 0);
}

TEST_CASE("a file without tensors may end where its metadata do")
{
    gguf_writer::file f;
    CHECK(opened(f.content()).tensors.empty());
    CHECK(f.content().size() == 24);
    f.key("general.architecture", "llama");
    CHECK(f.content().size() % 32 != 0);
    CHECK(opened(f.content()).architecture == "llama");
}

TEST_CASE("other versions, the other order of bytes and other files are refused by what they are")
{
    gguf_writer::file f;
    const auto version_refusal = [&](std::uint32_t version) {
        f.version = version;
        return refusal(f.content());
    };
    CHECK(version_refusal(1)
          == "byte 4: version: is 1, which is out of use since 2023; expected 2 or 3: convert the model again with a llama.cpp of today");
    CHECK(version_refusal(0x03000000)
          == "byte 4: version: is 0x3000000: the file is big-endian, which is not supported; convert it with gguf_convert_endian.py of "
             "llama.cpp");
    CHECK(version_refusal(0)
          == "byte 4: version: is 0, expected 2 or 3; either the file is damaged or it is too new for this version");
    CHECK(version_refusal(4)
          == "byte 4: version: is 4, expected 2 or 3; either the file is damaged or it is too new for this version");
    CHECK(refusal("GGML....") == "byte 0: magic: is 'GGML', expected 'GGUF'; this is no GGUF file");
    CHECK(refusal("GG") == "byte 2: magic: the file ends after 2 of 4 bytes of it" + again);
    CHECK(refusal("GGUF\3") == "byte 5: version: the file ends after 1 of 4 bytes of it" + again);
}

TEST_CASE("counts and lengths that the file cannot hold are refused before anything is made of them")
{
    const std::string start = "GGUF" + bytes_of(std::uint32_t{3});
    const std::uint64_t huge = std::uint64_t{1} << 62;
    CHECK(refusal(start + bytes_of(huge) + bytes_of(std::uint64_t{0}))
          == "byte 8: tensor count: 4611686018427387904 tensors, which the 8 bytes behind cannot hold" + again);
    CHECK(refusal(start + bytes_of(std::uint64_t{0}) + bytes_of(huge))
          == "byte 16: key count: 4611686018427387904 keys, which the 0 bytes behind cannot hold" + again);
    CHECK(refusal(start + bytes_of(std::uint64_t{0}) + bytes_of(std::uint64_t{1}) + bytes_of(~std::uint64_t{0}) + "123456")
          == "byte 24: key 0: 18446744073709551615 bytes of text, which the 6 bytes behind cannot hold" + again);
    CHECK(key_refusal(bytes_of(std::uint32_t{8}) + bytes_of(huge))
          == "byte 37: key 'k': 4611686018427387904 bytes of text, which the 0 bytes behind cannot hold" + again);
    CHECK(key_refusal(array(4, 3, std::string(8, '\0')))
          == "byte 41: key 'k': 3 elements, which the 8 bytes behind cannot hold" + again);
    CHECK(key_refusal(array(8, 2, gguf_writer::text("x")))
          == "byte 41: key 'k': 2 elements, which the 9 bytes behind cannot hold" + again);
    CHECK(key_refusal(array(9, huge, "")) == "byte 41: key 'k': 4611686018427387904 elements, which the 0 bytes behind cannot hold" + again);
    CHECK(key_refusal(bytes_of(std::uint32_t{4}) + "12") == "byte 39: key 'k': the file ends after 2 of 4 bytes of it" + again);
    CHECK(key_refusal(bytes_of(std::uint32_t{13}) + std::string(8, '\0'))
          == "byte 33: key 'k': its type is 13, expected one from 0 to 12" + again);
    CHECK(key_refusal(array(77, 0, "")) == "byte 37: key 'k': its type is 77, expected one from 0 to 12" + again);
    std::string nested = bytes_of(std::uint32_t{0}) + bytes_of(std::uint64_t{0});
    for (int i = 0; i < 5; ++i)
        nested = bytes_of(std::uint32_t{9}) + bytes_of(std::uint64_t{1}) + nested;
    CHECK(key_refusal(bytes_of(std::uint32_t{9}) + nested)
          == "byte 85: key 'k': arrays are nested deeper than 4 levels" + again);
}

TEST_CASE("keys that are empty or stand twice are refused")
{
    gguf_writer::file f;
    f.key("a", true).key("a", false);
    CHECK(refusal(f.content()) == "byte 38: key 'a': stands twice" + again);
    gguf_writer::file g;
    g.key("", std::uint32_t{1});
    CHECK(refusal(g.content()) == "byte 24: key '': is empty" + again);
    for (const std::uint32_t alignment : {0u, 24u}) {
        gguf_writer::file h;
        h.key("general.alignment", alignment);
        CHECK(refusal(h.content())
              == "byte 49: key 'general.alignment': is " + std::to_string(alignment) + ", expected a power of two" + again);
    }
    gguf_writer::file i;
    i.key("general.alignment", "32 ");
    CHECK(refusal(i.content()) == "byte 49: key 'general.alignment': is 32 , expected a power of two" + again);
}

TEST_CASE("a tensor that is not what it should be is refused with its field")
{
    CHECK(tensor_refusal([](auto&) {}) == "nothing was thrown");
    CHECK(tensor_refusal([](auto& f) { f.tensors.push_back({"t", {1}, 24, "x"}); }) == "byte 65: tensor 't': name: stands twice" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].extents = {1, 1, 1, 1, 1}; })
          == "byte 33: tensor 't': dimension count: is 5, expected at most 4" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].type = 4; })
          == "byte 53: tensor 't': type: is 4, which this version does not know; it knows ggml's types up to 42, those given up excepted: "
             "quantize the model to one of them");
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].type = 43; })
          == "byte 53: tensor 't': type: is 43, which this version does not know; it knows ggml's types up to 42, those given up excepted: "
             "quantize the model to one of them");
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].type = 2; })
          == "byte 53: tensor 't': type: rows of 4 weights are no whole number of Q4_0 blocks of 32" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0] = {"s", {}, 2, std::string(18, '\0')}; })
          == "byte 37: tensor 's': type: rows of 1 weights are no whole number of Q4_0 blocks of 32" + again);
    const std::uint64_t many = std::uint64_t{1} << 32;
    CHECK(tensor_refusal([&](auto& f) { f.tensors[0].extents = {many, many}; })
          == "byte 53: tensor 't': shape: [4294967296, 4294967296] has 2^60 bytes or more" + again);
    CHECK(tensor_refusal([&](auto& f) { f.tensors[0].extents = {std::uint64_t{1} << 63, 2}; }).ends_with("has 2^60 bytes or more" + again));
    CHECK(tensor_refusal([&](auto& f) { f.tensors[0].extents = {many << 31, many << 31, 0}; }) == "nothing was thrown");
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].offset = 4; })
          == "byte 57: tensor 't': offset: is 4, expected a multiple of 32" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].offset = 32; })
          == "byte 57: tensor 't': offset: is 32, where 0 of 32 bytes lie in the file" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].offset = ~std::uint64_t{0} - 31; })
          == "byte 57: tensor 't': offset: is 18446744073709551584, where 0 of 32 bytes lie in the file" + again);
    CHECK(tensor_refusal([](auto& f) { f.tensors[0].extents = {5, 2}; })
          == "byte 57: tensor 't': offset: is 0, where 32 of 40 bytes lie in the file" + again);
    CHECK(tensor_refusal([](auto& f) {
              f.tensors.push_back({"u", {9}, 0, std::string(36, '\0'), 0});
              f.tensors[0].offset = 32;
          })
          == "byte 57: tensor 't': offset: is 32, inside of tensor 'u' at [0, 36]" + again);
    gguf_writer::file cut;
    cut.tensors.push_back({"t", {4, 2}, 0, std::string(32, '\0')});
    const std::string whole = cut.content();
    CHECK(refusal(std::string_view(whole).substr(0, whole.size() - 1))
          == "byte 57: tensor 't': offset: is 0, where 31 of 32 bytes lie in the file" + again);
    CHECK(refusal(std::string_view(whole).substr(0, 66))  // before the data begin
          == "byte 57: tensor 't': offset: is 0, where 0 of 32 bytes lie in the file" + again);
    CHECK(refusal(std::string_view(whole).substr(0, 60)) == "byte 60: tensor 't': offset: the file ends after 3 of 8 bytes of it" + again);
    for (std::size_t size = 1; size < whole.size(); ++size)
        CHECK(refusal(std::string_view(whole).substr(0, size)) != "nothing was thrown");
}

TEST_CASE("a split model opens by any of its parts, whole or not at all")
{
    const files::temporary_folder folder;
    const auto part = [](std::uint16_t number, const std::string& name) {
        gguf_writer::file f;
        if (number == 0)
            f.key("general.architecture", "llama");
        f.key("split.no", number).key("split.count", std::uint16_t{3}).key("split.tensors.count", std::int32_t{2});
        if (!name.empty())
            f.tensors.push_back({name, {1}, 0, bytes_of(static_cast<float>(number))});
        return f.content();
    };
    const auto first = files::write(folder / "m-00001-of-00003.gguf", part(0, ""));  // llama.cpp may leave the first without tensors
    const auto second = files::write(folder / "m-00002-of-00003.gguf", part(1, "a"));
    const auto third = files::write(folder / "m-00003-of-00003.gguf", part(2, "b"));
    for (const auto& path : {first, second, third}) {
        const model m = read_gguf(path);
        CHECK(m.path == path);
        CHECK(m.format == "GGUF v3");
        CHECK(m.architecture == "llama");
        REQUIRE(m.tensors.size() == 2);
        CHECK(m.tensors[0].name == "a");
        CHECK(m.tensors[1].name == "b");
        CHECK(m.tensors[1].file->path() == third);
        CHECK(values_of(m.tensors[1]) == std::vector<double>{2});
    }
    const auto said = [&](const files::fs::path& path) { return message<io_error>([&] { (void)read_gguf(path); }); };
    files::write(second, part(2, "a"));
    CHECK(said(first) == second.string() + ": key 'split.no': is 2, but the file's name makes it 1; download all parts again from one place");
    files::write(second, part(1, "b"));
    CHECK(said(first) == third.string() + ": tensor 'b': stands in another part as well; download all parts again from one place");
    files::write(second, part(1, ""));
    CHECK(said(third)
          == third.string() + ": key 'split.tensors.count': is 2, but the parts hold 1 tensors; download all parts again from one place");
    files::write(second, gguf_writer::file().content());
    CHECK(said(third) == second.string() + ": key 'split.no': is missing, but the file's name makes it 1; download all parts again from one place");
    std::filesystem::remove(second);
    CHECK(said(third) == third.string() + ": the part 'm-00002-of-00003.gguf' is missing; download it as well");
    for (const char* name : {"m.gguf", "m-00000-of-00003.gguf", "m-00004-of-00003.gguf", "m-1-of-0.gguf"}) {
        const auto renamed = files::write(folder / name, part(1, "a"));
        CHECK(said(renamed)
              == renamed.string() + ": key 'split.count': is 3, but the file is not named as such parts are; name it as it was, like "
                                    "model-00001-of-00002.gguf");
    }
}

TEST_CASE("names of llama.cpp and of Hugging Face are translated into each other")
{
    const std::vector<std::pair<std::string, std::string>> llama = {
        {"token_embd.weight", "model.embed_tokens.weight"},
        {"output_norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"},
        {"blk.12.attn_q.weight", "model.layers.12.self_attn.q_proj.weight"},
        {"blk.12.attn_k.bias", "model.layers.12.self_attn.k_proj.bias"},
        {"blk.3.attn_output.weight", "model.layers.3.self_attn.o_proj.weight"},
        {"blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight"},
        {"blk.3.ffn_gate.weight", "model.layers.3.mlp.gate_proj.weight"},
        {"blk.3.ffn_up.weight", "model.layers.3.mlp.up_proj.weight"},
        {"blk.3.ffn_down.weight", "model.layers.3.mlp.down_proj.weight"}};
    for (const auto& [gguf, hugging_face] : llama) {
        CHECK(hugging_face_name(gguf) == hugging_face);
        CHECK(gguf_name(hugging_face) == gguf);
    }
    CHECK(hugging_face_name("blk.1.attn_qkv.bias", "gpt2") == "transformer.h.1.attn.c_attn.bias");
    CHECK(gguf_name("transformer.wpe.weight", "gpt2") == "position_embd.weight");
    for (const char* stranger : {"", ".weight", "rope_freqs.weight", "blk.attn_q.weight", "blk.x.attn_q.weight", "blk..attn_q.weight",
                                 "blk.0.attn_q", "blk.0.attn_rot.weight", "blk.0..weight", "output"})
        CHECK(hugging_face_name(stranger) == stranger);
}
