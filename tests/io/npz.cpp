#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/npz.hpp>
#include <weightscope/io/npz_writer.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "npz_builder.hpp"
#include "tensor_values.hpp"

using namespace weightscope;
using namespace std::string_view_literals;
using files::message;
using npz_builder::entry;
using npz_builder::npy;
using npz_builder::small_array;
using npz_builder::zip;

namespace {

const std::vector<float> one_to_six = {1, 2, 3, 4, 5, 6};

std::string refusal(std::string_view content)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.npz", content);
    const std::string prefix = path.string() + ": ";
    const std::string text = message<io_error>([&] {
        for (const named_tensor& tensor : read_npz(path).tensors)
            (void)detail::value_bytes_of(tensor);
    });
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

constexpr std::string_view again = "; download or write the file again";

}  // namespace

TEST_CASE("stored arrays of an archive are read where they lie")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.npz", zip({{.name = "w.npy", .content = small_array()}, {.name = "b.npy", .content = npy("{'descr': '<i2', 'fortran_order': False, 'shape': (), }", "\5\0"sv)}}));
    const model m = read_npz(path);
    CHECK(m.format == "NPZ");
    REQUIRE(m.tensors.size() == 2);
    const named_tensor& w = m.tensors[0];
    CHECK(w.name == "w");
    CHECK(w.shape == std::vector<std::size_t>{2, 3});
    CHECK(w.dtype == dtype::float32);
    CHECK(w.storage() == "F32");
    CHECK(w.decoder == nullptr);
    CHECK(w.bytes.data() == w.file->bytes().data() + w.offset);
    CHECK(values<float>(w) == one_to_six);
    CHECK(values<std::int16_t>(m.tensors[1]) == std::vector<std::int16_t>{5});
}

TEST_CASE("deflated arrays are inflated when they are looked at")
{
    const files::temporary_folder folder;
    for (const bool streamed : {false, true})
        for (const bool large : {false, true}) {
            const auto path = files::write(folder / "a.npz", zip({{.name = "first.npy", .content = small_array(), .large = large},
                                                                  {.name = "w.npy", .content = small_array(), .deflate = true, .sizes_follow = streamed, .large = large}},
                                                                 "a comment", large));
            const model m = read_npz(path);
            REQUIRE(m.tensors.size() == 2);
            const named_tensor& w = m.tensors[1];
            CHECK(w.storage() == "F32 deflated");
            CHECK(w.stored_bytes() == npz_builder::deflated(small_array()).size());
            CHECK(w.bytes.size() == w.stored_bytes());
            CHECK(values<float>(w) == one_to_six);
            CHECK(values<float>(w) == one_to_six);
            float two[2];
            w.decoder->decode(3, std::as_writable_bytes(std::span(two)));
            CHECK(two[0] == 4);
            CHECK(two[1] == 5);
        }
}

TEST_CASE("arrays of another order are turned, deflated or not")
{
    // numpy.asfortranarray([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], ">u2"): column by column
    const std::string array = npy("{'descr': '>u2', 'fortran_order': True, 'shape': (3, 4), }",
                                  "\0\0\0\4\0\10\0\1\0\5\0\11\0\2\0\6\0\12\0\3\0\7\0\13"sv);
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.npz", zip({{.name = "s.npy", .content = array}, {.name = "d.npy", .content = array, .deflate = true}}));
    const model m = read_npz(path);
    for (const named_tensor& tensor : m.tensors) {
        CHECK(values<std::uint16_t>(tensor) == std::vector<std::uint16_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
        for (std::size_t first = 0; first < 12; ++first) {  // wherever a part begins
            std::uint16_t part[1];
            tensor.decoder->decode(first, std::as_writable_bytes(std::span(part)));
            CHECK(part[0] == first);
        }
        CHECK(tensor.decoder->determined_by_bytes());
    }
    CHECK(m.tensors[0].storage() == "U16 big-endian, column-major");
    CHECK(m.tensors[0].stored_bytes() == 24);
    CHECK(m.tensors[1].storage() == "U16 big-endian, column-major, deflated");

    const model single = read_npy_model(files::write(folder / "the weights.npy", array));
    CHECK(single.format == "NPY");
    REQUIRE(single.tensors.size() == 1);
    CHECK(single.tensors[0].name == "the weights");
    CHECK(values<std::uint16_t>(single.tensors[0])[4] == 4);
    CHECK(single.tensors[0].offset == array.size() - 24);
}

TEST_CASE("a deflated array is inflated once for all who read its parts, and dropped after the last")
{
    // 100,000 numbers, 0 0 0 0 1 0 0 0 ...
    std::vector<std::uint32_t> numbers(100'000);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = static_cast<std::uint32_t>(i);
    const std::string array = npy("{'descr': '<u4', 'fortran_order': False, 'shape': (100000,), }", {reinterpret_cast<const char*>(numbers.data()), 400'000});
    const files::temporary_folder folder;
    std::vector<entry> entries;
    for (const char* name : {"a.npy", "b.npy", "c.npy", "d.npy", "e.npy", "f.npy"})
        entries.push_back({.name = name, .content = array, .deflate = true});
    const auto path = files::write(folder / "a.npz", zip(entries));
    const model m = read_npz(path);
    std::vector<int> right(m.tensors.size());
    parallel_for(m.tensors.size(), [&](std::size_t i) { right[i] = values<std::uint32_t>(m.tensors[i]) == numbers ? 1 : 0; });
    CHECK(right == std::vector<int>(6, 1));

    const auto file = std::make_shared<const mapped_file>(path);
    detail::zip_cache cache(file);
    const std::vector<detail::zip_entry> all = detail::read_zip_directory(*file);
    const std::byte* where = nullptr;
    const auto take = [&](std::size_t e, std::size_t bytes) {
        const std::byte* now = nullptr;
        cache.read(all[e], bytes, [&](std::span<const std::byte> content) { now = content.data(); });
        const bool same = now == where;
        where = now;
        return same;
    };
    take(0, 100);
    CHECK(take(0, 100));  // still there
    CHECK(cache.kept() == 1);
    take(0, array.size() - 200);
    CHECK(cache.kept() == 0);
    with_threads(2, [&] {
        for (std::size_t e = 0; e < 6; ++e)
            take(e, 1);
    });
    CHECK(cache.kept() == 2);  // of those that nobody finished, as many as there are threads
}

TEST_CASE("one array is read by its name, whatever the others are")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.npz", zip({{.name = "objects.npy", .content = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "x")},
                                                          {.name = "plain.npy", .content = small_array()},
                                                          {.name = "deflated.npy", .content = small_array(), .deflate = true}}));
    const npy_array plain = read_npz_array(path, "plain"), deflated = read_npz_array(path, "deflated.npy");
    CHECK(plain.file != nullptr);
    CHECK(plain.converted == nullptr);
    CHECK(deflated.converted != nullptr);
    CHECK(deflated.shape == std::vector<std::size_t>{2, 3});
    CHECK(std::memcmp(plain.bytes.data(), one_to_six.data(), 24) == 0);
    CHECK(std::memcmp(deflated.bytes.data(), one_to_six.data(), 24) == 0);
    CHECK(message<io_error>([&] { (void)read_npz_array(path, "other"); })
          == path.string() + ": array 'other': is not there; the archive holds 'objects', 'plain', 'deflated'");
    CHECK(message<io_error>([&] { (void)read_npz_array(path, "objects"); })
          == path.string() + ": byte 61: array 'objects': descr: is 'O', Python objects, which are programs and not numbers; save them as numbers");
}

TEST_CASE("what npz_writer writes is read back, and what is no array is passed over")
{
    const files::temporary_folder folder;
    npz_writer out(folder / "a.npz");
    out.add("x", std::vector<double>{1.5, -2});
    out.add("nothing", std::vector<double>{});
    out.commit();
    const model m = read_npz(folder / "a.npz");
    REQUIRE(m.tensors.size() == 2);
    CHECK(values<double>(m.tensors[0]) == std::vector<double>{1.5, -2});
    CHECK(m.tensors[1].shape == std::vector<std::size_t>{0});
    CHECK(m.notes.empty());
    const auto path = files::write(folder / "b.npz", zip({{.name = "read\x1bme", .content = "x"}, {.name = "a/", .content = ""}, {.name = "w.npy", .content = small_array()}}));
    CHECK(read_npz(path).tensors.size() == 1);
    CHECK(read_npz(path).notes == std::vector<std::string>{"passed over 'read\\u{1b}me' and 1 more entries, which is no array"});
    CHECK(read_npz(files::write(folder / "c.npz", zip({}))).tensors.empty());
}

TEST_CASE("headers that are longer than usual are read from deflated entries too")
{
    const files::temporary_folder folder;
    const std::string long_header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" + std::string(70'000, ' ') + "\n";
    const std::string array = npy(long_header, small_array().substr(small_array().size() - 24), 2);
    const model m = read_npz(files::write(folder / "a.npz", zip({{.name = "w.npy", .content = array, .deflate = true}})));
    CHECK(values<float>(m.tensors.at(0)) == one_to_six);
}

TEST_CASE("a zip archive that lies about itself is refused")
{
    const std::string cure(again), array = small_array();
    const std::string deflated = npz_builder::deflated(array);
    const std::string good = zip({{.name = "w.npy", .content = array}});
    const auto damaged = [&](std::size_t at, char byte) {
        std::string result = good;
        result[at] = byte;
        return refusal(result);
    };
    const std::size_t directory = good.find("PK\x01\x02"), end = good.find("PK\x05\x06");
    CHECK(refusal(good) == "nothing was thrown");
    CHECK(refusal(good.substr(0, good.size() - 1)) == "byte 201: zip directory: is not there: the archive is cut off before its end" + cure);
    CHECK(damaged(end + 4, 1) == "byte 184: zip directory: is spread over several files, expected one; join them first");
    CHECK(damaged(end + 15, 1) == "byte 180: zip directory: its 16777267 bytes do not fit between byte 129 and itself" + cure);
    CHECK(damaged(end + 8, 2) == "byte 184: zip directory: is spread over several files, expected one; join them first");
    CHECK(damaged(directory, 'Q') == "byte 129: zip directory: found no entry where one was expected" + cure);
    CHECK(damaged(directory + 28, 100) == "byte 129: zip directory: an entry runs past the end of the directory" + cure);
    CHECK(damaged(directory + 42, 1) == "byte 129: zip directory: the entry 'w.npy' should lie at byte 1, where none is" + cure);
    std::string longer = zip({{.name = "w.npy", .content = array, .sizes_follow = true}});
    const std::size_t entry = longer.find("PK\x01\x02");
    longer[entry + 20] = longer[entry + 24] = 111;
    CHECK(refusal(longer) == "byte 145: zip directory: the 111 bytes of the entry 'w.npy' run into the directory" + cure);
    CHECK(damaged(directory + 24, 57) == "byte 0: zip directory: the header of the entry 'w.npy' disagrees with the directory" + cure);
    CHECK(damaged(30, 'v') == "byte 0: zip directory: the header of the entry 'w.npy' disagrees with the directory" + cure);
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .claim = 7}}))
          == "byte 129: zip directory: the entry 'w.npy' claims 7 bytes, which 94 stored bytes cannot hold" + cure);
    CHECK(refusal(zip({{.name = "w.npy", .content = array}, {.name = "w.npy", .content = array}}))
          == "byte 309: zip directory: the entry 'w.npy' stands twice" + cure);
    const std::string unsupported = "; write the archive again with entries that are stored or deflated";
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .flags = 1}})) == "byte 129: zip directory: the entry 'w.npy' is encrypted" + unsupported);
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .method = 12}})) == "byte 129: zip directory: the entry 'w.npy' is compressed by method 12" + unsupported);

    // two entries that share their bytes, as bombs do
    std::string shared = zip({{.name = "a.npy", .content = array}, {.name = "a.npy", .content = array}});
    const std::size_t second = shared.find("PK\x01\x02", shared.find("PK\x01\x02") + 4);
    shared[second + 46] = 'b';
    shared[second + 42] = 0;
    CHECK(refusal(shared).ends_with("the header of the entry 'b.npy' disagrees with the directory" + cure));
}

TEST_CASE("a deflated entry must hold what it claims")
{
    const std::string cure(again), array = small_array();
    const auto claiming = [&](std::int64_t claim) { return refusal(zip({{.name = "w.npy", .content = array, .deflate = true, .claim = claim}})); };
    const std::string deflated = npz_builder::deflated(array);
    const std::string size = std::to_string(deflated.size()), behind = std::to_string(35 + deflated.size());
    // more than deflate can hold is refused before anything is inflated
    CHECK(claiming(1'000'000'000) == "byte " + behind + ": zip directory: the entry 'w.npy' claims 1000000000 bytes, which " + size + " deflated bytes cannot hold" + cure);
    CHECK(claiming(2000) == "byte " + behind + ": entry 'w.npy': holds " + std::to_string(array.size()) + " bytes, but claims 2000" + cure);
    CHECK(claiming(40).starts_with("byte 35: array 'w': header length: is "));
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .deflate = true, .crc_error = 1}})).starts_with("byte 35: entry 'w.npy': its checksum is "));
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .deflate = true, .packed = "\xff\xff"}})).find("entry 'w.npy': cannot be inflated: invalid") != std::string::npos);
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .deflate = true, .packed = deflated.substr(0, deflated.size() - 4)}}))
          == "byte " + std::to_string(31 + deflated.size()) + ": entry 'w.npy': cannot be inflated: the stream is cut off" + cure);
    CHECK(refusal(zip({{.name = "w.npy", .content = array, .deflate = true, .packed = deflated + "more"}}))
          == "byte 35: entry 'w.npy': holds more than the " + std::to_string(array.size()) + " bytes that it claims" + cure);
    // the array's own header tells another size than the directory
    const std::string larger = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9, 3), }", std::string(24, '\1'));
    CHECK(refusal(zip({{.name = "w.npy", .content = larger, .deflate = true}}))
          == "byte 35: array 'w': data: [9, 3] of F32 do not fit into the 24 bytes that are left" + cure);
}

TEST_CASE("no cut and no changed byte of an archive crashes the reader")
{
    const std::string good = zip({{.name = "a.npy", .content = small_array(), .deflate = true}, {.name = "b.npy", .content = small_array(), .large = true}}, {}, true);
    const files::temporary_folder folder;
    std::size_t refused = 0;
    for (std::size_t i = 0; i < good.size(); ++i)
        for (const int change : {-1, 1, 0x80}) {
            std::string damaged = change < 0 ? good.substr(0, i) : good;
            if (change > 0)
                damaged[i] = static_cast<char>(damaged[i] ^ change);
            if (!damaged.empty())
                refused += refusal(damaged) != "nothing was thrown";
        }
    CHECK(refused > good.size());
}
