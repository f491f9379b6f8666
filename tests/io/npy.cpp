#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/npy.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;
using namespace std::string_view_literals;

namespace {

// Magic, version, length and header, put together by hand.
std::string npy(std::string_view header, std::string_view data, char version = 1)
{
    std::string result = "\x93NUMPY";
    result += version;
    result += '\0';
    const std::uint32_t length = static_cast<std::uint32_t>(header.size());
    std::string bytes(version == 1 ? 2 : 4, '\0');
    std::memcpy(bytes.data(), &length, bytes.size());
    return result.append(bytes).append(header).append(data);
}

std::string refusal(std::string_view content)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.npy", content);
    const std::string text = message<io_error>([&] { (void)read_npy(path); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

npy_array read(const files::temporary_folder& folder, std::string_view content)
{
    return read_npy(files::write(folder / "a.npy", content));
}

template <class T>
std::vector<T> values(const npy_array& array)
{
    std::vector<T> result(array.bytes.size() / sizeof(T));
    std::memcpy(result.data(), array.bytes.data(), array.bytes.size());
    return result;
}

constexpr std::string_view again = "; download or write the file again";

}  // namespace

TEST_CASE("arrays of every version are read where they lie")
{
    // numpy.save(f, numpy.array([[1, 2, 3], [-4, 5, 6]], "<i2")), cut to its essentials
    const files::temporary_folder folder;
    for (const char version : {1, 2, 3}) {
        const npy_array a = read(folder, npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }      \n",
                                             "\1\0\2\0\3\0\xfc\xff\5\0\6\0"sv, version));
        CHECK(a.shape == std::vector<std::size_t>{2, 3});
        CHECK(a.dtype == dtype::int16);
        CHECK(values<std::int16_t>(a) == std::vector<std::int16_t>{1, 2, 3, -4, 5, 6});
        CHECK(a.file != nullptr);
        CHECK(a.converted == nullptr);
    }
}

TEST_CASE("big-endian and column-major arrays are turned")
{
    const files::temporary_folder folder;
    const npy_array swapped = read(folder, npy("{'descr':'>i4','fortran_order':False,'shape':(2,)}", "\0\0\1\2\xff\xff\xff\xff"sv));
    CHECK(values<std::int32_t>(swapped) == std::vector<std::int32_t>{258, -1});
    CHECK(swapped.file == nullptr);
    // column by column: 1 4, 2 5, 3 6
    const npy_array turned = read(folder, npy("{'shape': (2, 3), 'fortran_order': True, 'descr': '|u1'}", "\1\4\2\5\3\6"sv));
    CHECK(values<std::uint8_t>(turned) == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
    // element (i, j, k) of (2, 2, 3) lies at i + 2 j + 4 k
    const npy_array cube = read(folder, npy("{'descr': '>u2', 'fortran_order': True, 'shape': (2, 2, 3)}",
                                            "\0\0\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10\0\11\0\12\0\13"sv));
    CHECK(values<std::uint16_t>(cube) == std::vector<std::uint16_t>{0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11});
    // the two parts of a complex number keep their order
    const npy_array complex = read(folder, npy("{'descr': '>c8', 'fortran_order': False, 'shape': ()}", "\x3f\x80\0\0\x40\0\0\0"sv));
    CHECK(complex.dtype == dtype::complex64);
    CHECK(values<float>(complex) == std::vector<float>{1, 2});
}

TEST_CASE("scalars, empty arrays and the spellings of other writers are legal")
{
    const files::temporary_folder folder;
    CHECK(read(folder, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", std::string(8, '\0'))).shape.empty());
    const npy_array empty = read(folder, npy("{'descr': '>f4', 'fortran_order': True, 'shape': (3, 0, 5), }", ""));
    CHECK(empty.shape == std::vector<std::size_t>{3, 0, 5});
    CHECK(empty.bytes.empty());
    // Python 2 wrote long integers so; double quotes and a missing blank are legal Python
    CHECK(read(folder, npy(R"({"descr":"|b1","fortran_order":False,"shape":(2L,1L)})", "\1\0"sv)).shape == std::vector<std::size_t>{2, 1});
    CHECK(read(folder, npy("{'descr': 'f2', 'fortran_order': False, 'shape': (1,)}", "\0\0"sv)).dtype == dtype::float16);
}

TEST_CASE("what is written is what numpy reads, and is read back")
{
    const files::temporary_folder folder;
    const xt::xtensor<std::int32_t, 1> one = {1, 2, 3};
    write_npy(folder / "one.npy", one);
    // numpy.save("one.npy", numpy.array([1, 2, 3], "<i4"))
    CHECK(files::content(folder / "one.npy")
          == npy("{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" + std::string(60, ' ') + "\n", "\1\0\0\0\2\0\0\0\3\0\0\0"sv));
    const auto matrix = random_normal<double>({5, 7}, {.seed = 1});
    write_npy(folder / "turned.npy", xt::transpose(matrix));
    const npy_array back = read_npy(folder / "turned.npy");
    CHECK(back.shape == std::vector<std::size_t>{7, 5});
    CHECK(values<double>(back)[6 * 5 + 2] == matrix(2, 6));
    write_npy(folder / "half.npy", xt::xtensor<float16, 2>{{float16(1), float16(0.5F)}});
    CHECK(read_npy(folder / "half.npy").dtype == dtype::float16);
    write_npy(folder / "byte.npy", xt::xtensor<std::int8_t, 1>{1, -1});
    CHECK(files::content(folder / "byte.npy").find("'|i1'") != std::string::npos);
}

TEST_CASE("every cut of an array is refused, and no byte of the header crashes the reader")
{
    const std::string good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", std::string(16, '\1'));
    for (std::size_t size = 1; size < good.size(); ++size)
        CHECK(refusal(good.substr(0, size)) != "nothing was thrown");
    random_stream random(3);
    const files::temporary_folder folder;
    for (int i = 0; i < 2000; ++i) {
        std::string damaged = good;
        damaged[random.below(damaged.size() - 16)] = static_cast<char>(random.below(256));
        const auto path = files::write(folder / "a.npy", damaged);
        bool inside = true;
        try {
            inside = read_npy(path).bytes.size() <= 16;
        } catch (const io_error&) {  // is as good
        }
        CHECK(inside);
    }
}

TEST_CASE("arrays that are no numbers are refused")
{
    CHECK(refusal(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "x"))
          == "byte 20: descr: is 'O', Python objects, which are programs and not numbers; save them as numbers");
    CHECK(refusal(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "x"))
          == "byte 20: descr: is a structure of several fields; save each as an array of its own");
    CHECK(refusal(npy("{'descr': '<U5', 'fortran_order': False, 'shape': (1,)}", "x"))
          == "byte 20: descr: '<U5' is unknown; this version knows b1, i1 to i8, u1 to u8, f2 to f8 and c8");
    CHECK(refusal(npy("{'descr': '', 'fortran_order': False, 'shape': (1,)}", "x"))
          == "byte 20: descr: '' is unknown; this version knows b1, i1 to i8, u1 to u8, f2 to f8 and c8");
}

TEST_CASE("damaged headers are refused, with the byte at fault")
{
    const std::string cure(again);
    CHECK(refusal("hello, hello") == "byte 0: magic: is no NPY array: it does not begin with \\x93NUMPY");
    CHECK(refusal("\x93NUMPY\1"sv) == "byte 7: header length: the file ends before it" + cure);
    CHECK(refusal(npy("{}", "", 4)) == "byte 6: version: is 4, expected 1, 2 or 3");
    CHECK(refusal("\x93NUMPY\1\0\xff\xff{}"sv) == "byte 8: header length: is 65535, but 2 bytes follow and a header has at most 1048576" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'shape': (1,)}", "abcd")) == "byte 10: header: lacks one of descr, fortran_order and shape" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'descr': '<f4'}", "abcd")) == "byte 27: header: the key 'descr' is unknown or stands twice" + cure);
    CHECK(refusal(npy("{'x': 1}", "")) == "byte 11: header: the key 'x' is unknown or stands twice" + cure);
    CHECK(refusal(npy("['descr']", "")) == "byte 10: header: found '[', expected '{'" + cure);
    CHECK(refusal(npy("{descr: 1}", "")) == "byte 11: header: found no string where one was expected" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "abcd")) == "byte 44: fortran_order: is neither True nor False" + cure);
    CHECK(refusal(npy("{'shape': (1, -2), 'descr': '<f4', 'fortran_order': False}", "")) == "byte 24: shape: found '-', expected a whole number" + cure);
    CHECK(refusal(npy("{'shape': (99999999999999999999,), 'descr': '<f4', 'fortran_order': False}", "")) == "byte 21: shape: an extent is beyond 2^63" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "abcd")) == "byte 66: header: something follows the dictionary" + cure);
    std::string many = "{'shape': (";
    for (int i = 0; i < 65; ++i)
        many += "1,";
    CHECK(refusal(npy(many + "), 'descr': '|u1', 'fortran_order': False}", "a")) == "byte 149: shape: has more than 64 dimensions" + cure);
}

TEST_CASE("an array must fill its file, no more and no less")
{
    const std::string cure(again);
    CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "abcdefgh"))
          == "byte 65: data: [3] of F32 do not fit into the 8 bytes that are left" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "abcdefgh"))
          == "byte 85: data: [4294967296, 4294967296] of F32 do not fit into the 8 bytes that are left" + cure);
    CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "abcdefgh"))
          == "byte 69: data: 4 bytes follow the array; save several arrays as .npz, or each in a file of its own");
}

TEST_CASE("the NPY files of the test models are read or refused as their names say")
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (!folder) {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
        return;
    }
    std::size_t legal = 0, refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "malformed")) {
        const std::string name = entry.path().filename().string();
        if (!name.ends_with(".npy"))
            continue;
        INFO(name);
        if (name.ends_with("_ok.npy")) {
            const npy_array a = read_npy(entry.path());
            CHECK(a.shape == std::vector<std::size_t>{3, 4});
            CHECK(values<double>(a) == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
            ++legal;
        } else {
            CHECK_THROWS_AS(read_npy(entry.path()), io_error);
            ++refused;
        }
    }
    CHECK(legal == 1);
    CHECK(refused >= 3);
    const npy_array w = read_npy(std::filesystem::path(folder) / "analogdevicesinc__ai8x-synthesis__test_linear_w2.npy");
    CHECK(w.dtype == dtype::int64);
    CHECK(w.bytes.size() == 30848 - 128);
}
