#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_writer.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/io/zip_directory.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "gguf_writer.hpp"
#include "npz_builder.hpp"
#include "onnx_writer.hpp"
#include "pytorch_writer.hpp"

using namespace weightscope;
using files::message;

namespace {

const std::vector<float> four = {1, -2, 0.5f, 4};
const std::string four_bytes(reinterpret_cast<const char*>(four.data()), 16);

// F32 "w" of [2, 2], F16 "h" of 3 and FP4 "f" of 4.
std::filesystem::path write_three(const std::filesystem::path& path)
{
    const std::vector<std::uint16_t> halves = {0x3c00, 0x9b59, 0};
    const std::vector<std::uint8_t> codes = {0x21, 0x43};
    std::filesystem::create_directories(path.parent_path());
    write_safetensors(path, std::vector<tensor_to_write>{
                                {.name = "w", .shape = {2, 2}, .bytes = std::as_bytes(std::span(four))},
                                {.name = "h", .dtype = dtype::float16, .shape = {3}, .bytes = std::as_bytes(std::span(halves))},
                                {.name = "f", .dtype = dtype::float4_e2m1, .shape = {4}, .bytes = std::as_bytes(std::span(codes))}});
    return path;
}

const named_tensor& find(const model& m, const std::string& name)
{
    return *std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
}

// What lies at a path: a file's content, or all files of a folder.
std::string all_of(const std::filesystem::path& path)
{
    if (!std::filesystem::is_directory(path))
        return files::content(path);
    std::vector<std::string> parts;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
        if (entry.is_regular_file())
            parts.push_back(entry.path().lexically_relative(path).string() + "\n" + files::content(entry.path()));
    std::sort(parts.begin(), parts.end());
    std::string result;
    for (const std::string& part : parts)
        result += part;
    return result;
}

// Flips a bit of each part of each tensor, and a second one of the same number, in a copy, and undoes it: the very same files.
std::size_t check_there_and_back(const std::filesystem::path& path, const files::temporary_folder& folder, std::string_view name)
{
    const auto whole = name == "external" ? path.parent_path() : path;  // a copy of several files is a folder
    const std::string original = all_of(whole);
    const auto there = folder / (std::string(name) + "-flipped" + path.extension().string());
    const auto back = folder / (std::string(name) + "-back" + path.extension().string());
    const model m = open_model(path);
    std::vector<planned_flip> flips;
    for (const named_tensor& tensor : m.tensors)
        for (const bit_part& part : bit_parts(tensor)) {
            flips.push_back(plan_flip(tensor, tensor.size() - 1, part.layout.bits - 1, part.name));
            if (part.layout.bits > 1) {
                planned_flip second{.name = tensor.name, .flat = tensor.size() - 1, .bit = 0, .part = part.name};
                second.old_code = flips.back().new_code;  // as a search step by step has it
                flips.push_back(second);
            }
        }
    INFO(name);
    REQUIRE(!flips.empty());
    const bit_patch patch = make_bit_patch(m, flips);
    CHECK(patch.requested_count == flips.size());
    CHECK(patch.applied_count == flips.size());
    CHECK(patch.unchecked_count == 0);
    write_bit_patch(m, patch, there);
    CHECK(all_of(whole) == original);
    CHECK(all_of(there) != original);

    const model flipped = open_model(there);
    std::vector<planned_flip> made;
    for (const checked_flip& entry : patch.flips) {
        made.push_back(entry.flip);
        const named_tensor& tensor = m.tensors.size() == 1 ? flipped.tensors.front() : find(flipped, entry.flip.name);
        const std::uint64_t code = read_code(tensor, {.code = locate_bits(tensor, entry.flip.flat, entry.flip.part)});
        CHECK((code >> entry.flip.bit & 1) == (*entry.flip.new_code >> entry.flip.bit & 1));
    }
    write_bit_patch(flipped, make_bit_patch(flipped, made, {.revert = true}), back);
    CHECK(all_of(back) == original);
    return flips.size();
}

std::string gguf_blocks()
{
    gguf_writer::file file;
    file.key("general.architecture", "llama");
    std::string blocks(2 * 144, '\x5a');
    for (std::size_t block = 0; block < 2; ++block)
        blocks.replace(block * 144, 4, std::string("\x00\x30\x00\x28", 4));
    file.tensors = {{.name = "q.weight", .extents = {256, 2}, .type = 12, .bytes = blocks}, {.name = "n.weight", .extents = {4}, .bytes = four_bytes}};
    return file.content();
}

}  // namespace

TEST_CASE("a plan is written with its codes and values, and read back")
{
    const files::temporary_folder folder;
    const model m = open_model(write_three(folder / "m.safetensors"));
    bit_plan plan{.model = "m.safetensors", .format = "safetensors"};
    plan.flips = {plan_flip(find(m, "h"), 1, 14), plan_flip(find(m, "h"), 0, 14), plan_flip(find(m, "w"), 2, 31)};
    plan.flips[2].model = "vision";
    const std::string text = to_text(plan);
    CHECK(text.find(R"("old": -0.0035877227783203125)") != std::string::npos);
    CHECK(text.find(R"("new": -235.125)") != std::string::npos);
    CHECK(text.find(R"("new": null)") != std::string::npos);  // 1 becomes infinite
    CHECK(text.find(R"("old_code": "0x9b59")") != std::string::npos);
    const bit_plan read = read_bit_plan(files::write(folder / "p.json", text));
    CHECK(read.model == "m.safetensors");
    CHECK(read.format == "safetensors");
    CHECK(read.version == plan.version);
    REQUIRE(read.flips.size() == 3);
    CHECK(to_text(read) == text);
    CHECK(read.flips[0].old_code == 0x9b59);
    CHECK(read.flips[0].new_code == 0xdb59);
    CHECK(std::isnan(*read.flips[1].new_value));
    CHECK(read.flips[2].model == "vision");

    // a plan and a ranking as other programs write them: no codes, more members
    files::write(folder / "q.json", R"({"meta": {"top_w": 5}, "plan": [{"model": "vision", "name": "w", "flat": 3, "bit": 30}],
        "ranked": [{"name": "w", "flat": 1, "bit": 2, "old": -2.0, "new": -1.5, "score": 0.5, "step": 1}, {"name": "w", "flat": 0, "bit": 0}]})");
    CHECK(read_bit_plan(folder / "q.json").flips.size() == 1);
    const bit_plan ranked = read_bit_plan(folder / "q.json", "ranked");
    REQUIRE(ranked.flips.size() == 2);
    CHECK(ranked.flips[0].old_value == -2);
    CHECK(!ranked.flips[0].old_code);
    CHECK(ranked.flips[0].part == "code");
}

TEST_CASE("a plan that is not as it should be is refused with its entry and field")
{
    const files::temporary_folder folder;
    const auto refusal = [&](std::string_view entry) {
        const auto path = files::write(folder / "p.json", R"({"plan": [{"name": "w", "flat": 0, "bit": 0}, )" + std::string(entry) + "]}");
        const std::string text = message<io_error>([&] { (void)read_bit_plan(path); }), front = path.string() + ": plan[1]";
        return text.starts_with(front) ? text.substr(front.size()) : text;
    };
    const std::string cure = "; make the plan again";
    CHECK(refusal("3") == ": is no object" + cure);
    CHECK(refusal(R"({"flat": 0, "bit": 0})") == ": name: is missing" + cure);
    CHECK(refusal(R"({"name": 1, "flat": 0, "bit": 0})") == ": name: is no text" + cure);
    CHECK(refusal(R"({"name": "w", "flat": -1, "bit": 0})") == ": flat: is no whole number of 0 or more" + cure);
    CHECK(refusal(R"({"name": "w", "flat": 0, "bit": 64})") == ": bit: is no whole number from 0 to 63" + cure);
    CHECK(refusal(R"({"name": "w", "flat": 0, "bit": 1, "old": "1"})") == ": old: is no number" + cure);
    CHECK(refusal(R"({"name": "w", "flat": 0, "bit": 1, "old_code": "12"})") == ": old_code: is '12', expected a number in base 16 as 0x3c00" + cure);
    CHECK(refusal(R"({"name": "w", "flat": 0, "bit": 1, "old_code": "0x1g"})") == ": old_code: is '0x1g', expected a number in base 16 as 0x3c00" + cure);
    CHECK(refusal(R"({"name": "w", "flat": 0, "bit": 1, "old_code": "0x1", "new_code": "0x2"})")
          == ": new_code: is 0x2, which is not 0x1 with bit 1 flipped" + cure);
    const auto path = files::write(folder / "p.json", R"({"ranked": []})");
    CHECK(message<io_error>([&] { (void)read_bit_plan(path); })
          == path.string() + ": plan: there is no such list, expected one of entries with name, flat and bit, as bits rank writes it");
    CHECK(message<io_error>([&] { (void)read_bit_plan(path, "ranked"); }) == path.string() + ": ranked: the list is empty; nothing would be flipped");
}

TEST_CASE("bits of a tensor have places, classes and what their flips make")
{
    const files::temporary_folder folder;
    const model m = open_model(write_three(folder / "m.safetensors"));
    const named_tensor &w = find(m, "w"), &f = find(m, "f");
    CHECK(locate_bits(w, 2) == std::vector<bit_range>{{w.offset + 8, 0, 32}});
    CHECK(locate_bits(f, 3) == std::vector<bit_range>{{f.offset + 1, 4, 4}});
    CHECK(bit_parts(f).front().layout == small_float_bits(2, 1, 1));
    CHECK(flip_change(f, 3, 3).old_value == 2);  // code 4
    CHECK(flip_change(f, 3, 3).new_value == -2);
    CHECK(flip_change(w, 0, 30).outcome == flip_outcome::infinite);
    CHECK(message<std::invalid_argument>([&] { (void)flip_change(w, 4, 0); })
          == "weightscope::locate_bits(tensor 'w', element): found 4, expected less than 4");
    CHECK(message<std::invalid_argument>([&] { (void)flip_change(w, 0, 32); })
          == "weightscope::flip_change(tensor 'w', element, bit): bit is 32, expected 0 to 31");
    CHECK(message<std::invalid_argument>([&] { (void)flip_change(w, 0, 0, "scale"); })
          == "weightscope::find_bit_part(tensor 'w', name): elements stored as F32 have no part 'scale', expected one of code");

    const model g = open_model(files::write(folder / "m.gguf", gguf_blocks()));
    const named_tensor& q = find(g, "q.weight");
    std::vector<std::string> names;
    for (const bit_part& part : bit_parts(q))
        names.push_back(part.name);
    CHECK(names == std::vector<std::string>{"code", "scale", "min", "sub_scale", "sub_min"});
    CHECK(find_bit_part(q, "sub_min").weights == 32);
    CHECK(find_bit_part(q, "scale").weights == 256);
    // 0x5a: the scale code of part 0 is 26, its minimum code 26; codes alternate between none: low nibble 10; scale 1/8, min 1/32
    const bit_flip code = flip_change(q, 0, 0), scale = flip_change(q, 0, 15, "scale"), least = flip_change(q, 0, 15, "min");
    CHECK(code.old_value == 26 / 8.0 * 10 - 26 / 32.0);
    CHECK(code.new_value == 26 / 8.0 * 11 - 26 / 32.0);
    CHECK(scale.new_value == -26 / 8.0 * 10 - 26 / 32.0);
    CHECK(least.new_value == 26 / 8.0 * 10 + 26 / 32.0);
    CHECK(least.old_code == 0x2800);
    CHECK(flip_change(q, 255, 14, "scale").outcome == flip_outcome::finite);
}

TEST_CASE("flips are applied to a copy and undone to the byte, in every format")
{
    const files::temporary_folder folder;
    CHECK(check_there_and_back(write_three(folder / "m.safetensors"), folder, "safetensors") == 6);

    // a folder of shards, with files beside them
    write_three(folder / "shards/model-00001-of-00002.safetensors");
    write_safetensors(folder / "shards/model-00002-of-00002.safetensors",
                      std::vector<tensor_to_write>{{.name = "last", .shape = {4}, .bytes = std::as_bytes(std::span(four))}});
    files::write(folder / "shards/model.safetensors.index.json",
                 R"({"weight_map": {"w": "model-00001-of-00002.safetensors", "h": "model-00001-of-00002.safetensors",
                     "f": "model-00001-of-00002.safetensors", "last": "model-00002-of-00002.safetensors"}})");
    files::write(folder / "shards/notes.txt", "");
    CHECK(check_there_and_back(folder / "shards", folder, "shards") == 8);

    CHECK(check_there_and_back(files::write(folder / "m.gguf", gguf_blocks()), folder, "gguf") == 12);

    using namespace onnx_writer;
    files::write(folder / "m.onnx", onnx_writer::model(initializer(raw_tensor("w", 1, {2, 2}, four_bytes)) + initializer(raw_tensor("i", 22, {3}, "\x21\x0f"))
                                           + initializer(typed_tensor("t", 1, {4}, onnx_writer::bytes(4, four_bytes)))));
    CHECK(check_there_and_back(folder / "m.onnx", folder, "onnx") == 6);
    files::write(folder / "external/m.onnx",
                 onnx_writer::model(initializer(typed_tensor("w", 1, {2, 2}, external({{"location", "w.data"}, {"offset", "4"}, {"length", "16"}})))));
    files::write(folder / "external/w.data", "abcd" + four_bytes);
    CHECK(check_there_and_back(folder / "external/m.onnx", folder, "external") == 2);
}

TEST_CASE("flips in archives leave their checksums right")
{
    const files::temporary_folder folder;
    const auto checksums_right = [](const std::filesystem::path& path) {
        const mapped_file file(path);
        bool right = true;
        for (const detail::zip_entry& entry : detail::read_zip_directory(file)) {
            const auto stored = detail::stored_bytes(file, entry);
            right = right && ::crc32(0, reinterpret_cast<const Bytef*>(stored.data()), static_cast<uInt>(stored.size())) == entry.crc;
        }
        return right;
    };
    for (const bool sizes_follow : {false, true}) {
        const std::string name = sizes_follow ? "streamed" : "npz";
        const std::string array = npz_builder::small_array();
        const auto path = files::write(folder / (name + ".npz"), npz_builder::zip({{.name = "a.npy", .content = array, .sizes_follow = sizes_follow},
                                                                                   {.name = "b.npy", .content = array}}));
        CHECK(check_there_and_back(path, folder, name) == 4);
        CHECK(checksums_right(folder / (name + "-flipped.npz")));
    }
    CHECK(check_there_and_back(files::write(folder / "m.npy", npz_builder::small_array()), folder, "npy") == 2);

    using namespace pytorch;
    const std::string object = ordered_dict({{text("w"), tensor_of(storage("FloatStorage", "0", 4), 0, {2, 2}, {2, 1})}});
    const auto torch = files::write(folder / "m.pt", archive(object, {four_bytes}));
    CHECK(check_there_and_back(torch, folder, "torch") == 2);
    CHECK(checksums_right(folder / "torch-flipped.pt"));
}

TEST_CASE("a plan for another model is refused with the first flip that does not fit")
{
    const files::temporary_folder folder;
    const auto path = write_three(folder / "m.safetensors");
    const model m = open_model(path);
    const auto refusal = [&](planned_flip flip, const bit_patch_options& options = {}) {
        const std::string text = message<io_error>([&] { (void)make_bit_patch(m, {plan_flip(find(m, "h"), 0, 0), flip}, options); });
        const std::string front = path.string() + ": plan entry 1 (";
        return text.starts_with(front) ? text.substr(front.size()) : text;
    };
    CHECK(refusal({.name = "x", .flat = 1, .bit = 2}) == "'x' [1] code bit 2): the model has no such tensor");
    CHECK(refusal({.name = "w", .flat = 4, .bit = 2}) == "'w' [4] code bit 2): the tensor has 4 weights");
    CHECK(refusal({.name = "h", .flat = 1, .bit = 16}) == "'h' [1] code bit 16): the number has 16 bits");
    CHECK(refusal({.name = "h", .flat = 1, .bit = 1, .part = "min"}) == "'h' [1] min bit 1): the tensor is stored as F16 and has no such part");
    CHECK(refusal({.name = "h", .flat = 0, .bit = 0}) == "'h' [0] code bit 0): the plan flips this bit twice");
    CHECK(refusal({.name = "h", .flat = 1, .bit = 0, .old_code = 0x1234})
          == "'h' [1] code bit 0): found the code 0x9b59 (value -0.0035877227783203125), expected 0x1234; the plan was made for another model");
    CHECK(refusal({.name = "h", .flat = 1, .bit = 0, .old_value = 2.0})
          == "'h' [1] code bit 0): found the value -0.0035877227783203125, expected 2; the plan was made for another model");
    CHECK(refusal({.name = "h", .flat = 1, .bit = 14, .old_code = 0xdb59, .new_code = 0x9b59})
          == "'h' [1] code bit 14): found the code 0x9b59 (value -0.0035877227783203125), expected 0xdb59; the plan has been applied already");

    // leniently they are passed over and told
    const bit_patch some = make_bit_patch(m, {{.name = "x"}, {.name = "h", .flat = 1, .bit = 0, .old_code = 0x1234}, {.name = "h", .flat = 2, .bit = 14}},
                                          {.lenient = true});
    CHECK(some.requested_count == 3);
    CHECK(some.applied_count == 1);
    CHECK(some.skipped_count == 2);
    CHECK(some.unchecked_count == 1);
    CHECK(some.flips[0].skipped == "the model has no such tensor");
    CHECK(some.flips[2].flip.new_value == 2);  // half zero with bit 14
    REQUIRE(some.files.size() == 1);
    CHECK(some.files[0].changes.size() == 1);
}

TEST_CASE("a plan may list single flips or steps, be cut, and be for one of several models")
{
    const files::temporary_folder folder;
    const auto path = write_three(folder / "m.safetensors");
    const model m = open_model(path);
    // each tells the value at first: -2 with bit 30, and with bit 31
    const std::vector<planned_flip> single = {plan_flip(find(m, "w"), 1, 30), plan_flip(find(m, "w"), 1, 31)};
    const bit_patch both = make_bit_patch(m, single);
    CHECK(both.flips[1].flip.old_code == 0x80000000);  // what the first one leaves of 0xc0000000
    CHECK(both.flips[1].flip.new_code == 0);
    write_bit_patch(m, both, folder / "both.safetensors");
    const model flipped = open_model(folder / "both.safetensors");
    write_bit_patch(flipped, make_bit_patch(flipped, single, {.revert = true}), folder / "back.safetensors");
    CHECK(files::content(folder / "back.safetensors") == files::content(path));
    CHECK(message<io_error>([&] { (void)make_bit_patch(m, single, {.revert = true}); })
          == path.string() + ": plan entry 0 ('w' [1] code bit 30): found the code 0x0 (value 0), expected 0xc0000000; the plan has not been applied to it");

    std::vector<planned_flip> flips = single;
    flips[0].model = "vision";
    flips[1].model = "policy";
    flips.push_back(plan_flip(find(m, "w"), 0, 0));
    CHECK(make_bit_patch(m, flips, {.model = "policy"}).applied_count == 2);
    CHECK(make_bit_patch(m, flips, {.top = 1}).flips.front().flip.bit == 30);
    const bit_patch infinite = make_bit_patch(m, {plan_flip(find(m, "w"), 0, 30)});
    CHECK(infinite.non_finite_count == 1);
}

TEST_CASE("a copy never replaces the model, and appears whole or not at all")
{
    const files::temporary_folder folder;
    const auto path = write_three(folder / "m.safetensors");
    const model m = open_model(path);
    const bit_patch patch = make_bit_patch(m, {plan_flip(find(m, "w"), 0, 0)});
    CHECK(message<std::invalid_argument>([&] { write_bit_patch(m, patch, path); })
          == "weightscope::write_bit_patch(model, patch, target): " + path.string() + " is the model itself; name another file");
    files::write(path, files::content(path) + "x");
    CHECK(message<io_error>([&] { write_bit_patch(m, patch, folder / "copy.safetensors"); }).starts_with(path.string() + ": patch: the file has "));
    CHECK(folder.names() == std::vector<std::string>{"m.safetensors"});

    write_three(folder / "shards/model-00001-of-00001.safetensors");
    const model shards = open_model(folder / "shards");
    const bit_patch one = make_bit_patch(shards, {plan_flip(find(shards, "w"), 0, 0)});
    files::write(folder / "full/x", "x");
    CHECK(message<write_error>([&] { write_bit_patch(shards, one, folder / "full"); })
          == (folder / "full").string() + ": exists already; the model has several files: name a new folder for their copies");
    CHECK(message<write_error>([&] { write_bit_patch(shards, one, folder / "no/where"); })
          == (folder / "no/where").string() + ": cannot be made: No such file or directory; create the folder above it first");
    CHECK(folder.names() == std::vector<std::string>{"full", "m.safetensors", "shards"});
}
