#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/onnx.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/io/weight_location.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "onnx_writer.hpp"

using namespace weightscope;
using files::message;

namespace {

std::filesystem::path write_two(const files::temporary_folder& folder)
{
    const std::vector<float> w = {1, -2, 0.5f, 4};
    const std::vector<std::uint8_t> codes = {0x21, 0x43};
    const auto bytes = std::as_bytes(std::span(w));
    write_safetensors(folder / "m.safetensors",
                      std::vector<tensor_to_write>{
                          {.name = "w", .shape = {2, 2}, .bytes = bytes},
                          {.name = "f", .dtype = dtype::float4_e2m1, .shape = {4}, .bytes = std::as_bytes(std::span(codes))}});
    return folder / "m.safetensors";
}

const named_tensor& find(const model& m, const std::string& name)
{
    return *std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
}

bool same(float a, float b)
{
    return a == b || (std::isnan(a) && std::isnan(b));
}

}  // namespace

TEST_CASE("an element of a plain tensor lies at its place in the file")
{
    const files::temporary_folder folder;
    const model m = read_safetensors(write_two(folder));
    const named_tensor &w = find(m, "w"), &f = find(m, "f");
    const weight_location at = locate_weight(w, 2);
    CHECK(at.file == folder / "m.safetensors");
    CHECK(at.code == std::vector<bit_range>{{w.offset + 8, 0, 32}});
    CHECK(at.scales.empty());
    CHECK(read_code(w, at) == 0x3f000000);  // 0.5
    CHECK(locate_weight(f, 3).code == std::vector<bit_range>{{f.offset + 1, 4, 4}});
    CHECK(read_code(f, locate_weight(f, 0)) == 1);
    CHECK(read_code(f, locate_weight(f, 1)) == 2);
    CHECK(read_code(f, locate_weight(f, 3)) == 4);
    CHECK(message<std::invalid_argument>([&] { (void)locate_weight(w, 4); })
          == "weightscope::locate_weight(tensor 'w', element): found 4, expected less than 4");
    named_tensor packed = w;
    packed.dtype = dtype::opaque;
    packed.encoding = "TQ1_0";
    CHECK(message<std::invalid_argument>([&] { (void)locate_weight(packed, 0); })
          == "weightscope::locate_weight(tensor 'w'): elements stored as TQ1_0 have no bits of their own that are known here; choose "
             "another tensor, or its codes where they are listed");
}

TEST_CASE("the code of an element of each block type is made of the bits that change this element and no other")
{
    std::size_t types = 0;
    for (const ggml_type& type : ggml_types) {
        const detail::ggml_block_decoder decode = detail::find_ggml_block_decoder(type.name);
        if (decode == nullptr || detail::locate_in_block(type.name, 0).code_parts == 0)
            continue;
        ++types;
        INFO(type.name);
        // scales that are neither 0 nor NaN: the lower bit of each half of each byte is set
        std::vector<std::byte> bytes(2 * type.block_bytes);
        std::uint32_t random = 12345 + type.number;
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(((random = random * 1664525 + 1013904223) >> 24 & 0x3f) | 0x11);
        const auto file = std::make_shared<const mapped_file>("m.gguf", bytes);
        named_tensor tensor{.name = "t", .shape = {2 * type.block_weights}, .bytes = file->bytes(), .file = file, .encoding = std::string(type.name)};
        tensor.decoder = std::make_shared<const detail::gguf_decoder>(type, decode, file, tensor.bytes);
        const std::size_t count = type.block_weights, bits = 8 * type.block_bytes;

        const weight_location here = locate_weight(tensor, 1), next = locate_weight(tensor, count + 1);
        CHECK(next.code.front().offset == here.code.front().offset + type.block_bytes);
        CHECK(next.scales.back().offset == here.scales.back().offset + type.block_bytes);

        std::vector<std::size_t> owner(bits, count);
        std::vector<std::vector<bool>> scaled(count, std::vector<bool>(bits));
        bool apart = true;
        for (std::size_t e = 0; e < count; ++e) {
            const weight_location at = locate_weight(tensor, e);
            for (const bit_range& range : at.code)
                for (unsigned i = 0; i < range.bit_count; ++i)
                    apart = std::exchange(owner[8 * range.offset + range.first_bit + i], e) == count && apart;
            for (const bit_range& range : at.scales)
                for (unsigned i = 0; i < range.bit_count; ++i)
                    scaled[e][8 * range.offset + range.first_bit + i] = true;
        }
        CHECK(apart);

        // turning a bit changes the element that has it in its code, and otherwise only those that have it in their scales
        std::vector<std::uint8_t> block(type.block_bytes);
        std::memcpy(block.data(), bytes.data(), block.size());
        std::vector<float> before(count), after(count);
        decode(block.data(), 1, before.data());
        bool contained = true, own = true;
        for (std::size_t bit = 0; bit < bits; ++bit) {
            block[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
            decode(block.data(), 1, after.data());
            block[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
            for (std::size_t e = 0; e < count; ++e) {
                const bool changed = !same(before[e], after[e]);
                contained = contained && (!changed || owner[bit] == e || scaled[e][bit]);
                own = own && (owner[bit] != e || changed || before[e] == 0);
            }
        }
        CHECK(contained);
        CHECK(own);
    }
    CHECK(types == 19);
}

TEST_CASE("a patch changes the bytes of its plan and nothing else, and can be undone")
{
    const files::temporary_folder folder;
    const auto path = write_two(folder);
    const std::string original = files::content(path);
    const model m = read_safetensors(path);
    const named_tensor &w = find(m, "w"), &f = find(m, "f");

    patch_plan plan;
    add_change_inplace(plan, f, locate_weight(f, 3), 0xf);
    add_change_inplace(plan, w, locate_weight(w, 1), 0x40490fdb);  // pi
    add_change_inplace(plan, f, locate_weight(f, 2), 0);
    CHECK(plan.file == path);
    CHECK(plan.file_bytes == original.size());
    CHECK(plan.changes.size() == 5);
    CHECK(plan.changes.back() == byte_change{.offset = f.offset + 1, .mask = 0xff, .old_bits = 0x43, .new_bits = 0xf0});

    const auto copy = folder / "patched.safetensors";
    apply_patch(plan, path, copy);
    CHECK(files::content(path) == original);
    std::string expected = original;
    const float pi = 3.14159274f;
    std::memcpy(expected.data() + w.offset + 4, &pi, sizeof pi);
    expected[f.offset + 1] = '\xf0';
    CHECK(files::content(copy) == expected);
    apply_patch(reverse_patch(plan), copy, copy);
    CHECK(files::content(copy) == original);
    CHECK(folder.names() == std::vector<std::string>{"m.safetensors", "patched.safetensors"});
}

TEST_CASE("a weight of an ONNX model is patched where its raw data lie")
{
    const files::temporary_folder folder;
    const std::vector<float> values = {1, -2, 0.5f, 4};
    const std::string_view raw(reinterpret_cast<const char*>(values.data()), 16);
    const auto path = files::write(folder / "m.onnx", onnx_writer::model(onnx_writer::initializer(onnx_writer::raw_tensor("w", 1, {2, 2}, raw))));
    const std::string original = files::content(path);
    const model m = read_onnx(path);
    const named_tensor& w = find(m, "w");
    CHECK(w.offset == original.find(raw));

    patch_plan plan;
    add_change_inplace(plan, w, locate_weight(w, 3), 0x40800000 ^ 0x80000000);
    const auto copy = folder / "patched.onnx";
    apply_patch(plan, path, copy);
    std::string expected = original;
    expected[w.offset + 15] = '\xc0';
    CHECK(files::content(copy) == expected);
    CHECK(read_code(find(read_onnx(copy), "w"), locate_weight(w, 3)) == 0xc0800000);
    apply_patch(reverse_patch(plan), copy, copy);
    CHECK(files::content(copy) == original);
}

TEST_CASE("a patch is applied only to the file that it was made for")
{
    const files::temporary_folder folder;
    const auto path = write_two(folder);
    const model m = read_safetensors(path);
    const named_tensor& w = find(m, "w");
    patch_plan plan;
    const weight_location at = locate_weight(w, 0);
    add_change_inplace(plan, w, at, read_code(w, at) ^ 1u << 30);
    CHECK(message<std::invalid_argument>([&] { add_change_inplace(plan, w, at, 0); })
          == "weightscope::add_change_inplace(plan, tensor 'w'): bit 0 of byte " + std::to_string(w.offset)
                 + " is changed by the plan already");
    CHECK(message<std::invalid_argument>([&] {
              patch_plan other;
              add_change_inplace(other, w, at, std::uint64_t{1} << 32);
          })
          == "weightscope::add_change_inplace(plan, tensor 'w', new_code): 4294967296 has more than the 32 bits of the element");

    const auto copy = folder / "copy";
    apply_patch(plan, path, copy);
    const std::string patched = files::content(copy);
    const std::string where = copy.string() + ": byte " + std::to_string(w.offset + 3) + ": patch: ";
    // 1 is 3f800000; with bit 30 turned it is 7f800000
    CHECK(message<io_error>([&] { apply_patch(plan, copy, copy); })
          == where + "found 0x7f, which is the new value; the patch has been applied already");
    files::write(copy, patched.substr(0, w.offset + 3) + "\x11" + patched.substr(w.offset + 4));
    CHECK(message<io_error>([&] { apply_patch(plan, copy, copy); })
          == where + "found 0x11, expected 0x3f within the bits 0xff; the file is not the one that the plan was made for");
    files::write(copy, patched + "x");
    CHECK(message<io_error>([&] { apply_patch(plan, copy, copy); })
          == copy.string() + ": patch: the file has " + std::to_string(patched.size() + 1) + " bytes, expected "
                 + std::to_string(patched.size()) + " as when the plan was made");
    patch_plan damaged = plan;
    damaged.changes.push_back(damaged.changes.front());
    CHECK(message<io_error>([&] { apply_patch(damaged, path, folder / "never"); })
          == path.string() + ": byte " + std::to_string(w.offset)
                 + ": patch: the plan is damaged: its changes must lie in the file, by rising offset, within their masks");
    CHECK(!std::filesystem::exists(folder / "never"));
}
