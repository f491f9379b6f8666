#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <zip.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/npz_writer.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;

namespace {

struct member
{
    std::string name, bytes;
};

// The archive as libzip reads it, checksums verified.
std::vector<member> members_of(const std::filesystem::path& path)
{
    int error = 0;
    const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error), zip_discard);
    REQUIRE(archive);
    std::vector<member> members;
    for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(zip_get_num_entries(archive.get(), 0)); ++i) {
        zip_stat_t stat;
        REQUIRE(zip_stat_index(archive.get(), i, 0, &stat) == 0);
        member m{stat.name, std::string(stat.size, '\0')};
        const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive.get(), i, 0), zip_fclose);
        REQUIRE(zip_fread(file.get(), m.bytes.data(), stat.size) == static_cast<zip_int64_t>(stat.size));
        char beyond = 0;
        REQUIRE(zip_fread(file.get(), &beyond, 1) == 0);  // the end, where the checksum is compared
        members.push_back(std::move(m));
    }
    return members;
}

}  // namespace

TEST_CASE("the checksum is CRC-32")
{
    CHECK(detail::crc32("123456789") == 0xcbf43926u);  // the check value of the catalogue of CRC algorithms
    CHECK(detail::crc32("6789", detail::crc32("12345")) == 0xcbf43926u);
    CHECK(detail::crc32("") == 0);
}

TEST_CASE("an archive is a ZIP of .npy files, byte for byte")
{
    const files::temporary_folder folder;
    const auto path = folder.path() / "a.npz";
    npz_writer file(path);
    file.add("w", std::vector<double>{1.5, -0.0});
    CHECK_FALSE(std::filesystem::exists(path));
    file.commit();

    // import numpy as np, io; f = io.BytesIO(); np.save(f, np.array([1.5, -0.0])); f.getvalue()
    std::string npy("\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 67);
    npy.append(128 - 1 - npy.size(), ' ').append("\n");
    npy += std::string("\x00\x00\x00\x00\x00\x00\xf8\x3f\x00\x00\x00\x00\x00\x00\x00\x80", 16);
    const auto members = members_of(path);
    REQUIRE(members.size() == 1);
    CHECK(members[0].name == "w.npy");
    CHECK(members[0].bytes == npy);

    const std::string bytes = files::content(path);
    CHECK(bytes.substr(0, 10) == std::string("PK\x03\x04\x14\x00\x00\x08\x00\x00", 10));
    CHECK(bytes.substr(30, 5) == "w.npy");
    CHECK(bytes.substr(35, npy.size()) == npy);
    CHECK(bytes.size() == 35 + npy.size() + 46 + 5 + 22);
}

TEST_CASE("arrays of any length have a header of whole lines of 64 bytes")
{
    const files::temporary_folder folder;
    npz_writer file(folder.path() / "a.npz");
    std::vector<double> values;
    for (const std::size_t count : {0, 1, 9, 10, 1000, 100'000}) {
        values.resize(count);
        for (std::size_t i = 0; i < count; ++i)
            values[i] = std::sqrt(static_cast<double>(i)) - 3;
        file.add(std::to_string(count), values);
    }
    file.commit();
    for (const member& m : members_of(folder.path() / "a.npz")) {
        const std::size_t count = std::stoul(m.name);
        INFO(m.name);
        const std::size_t header = m.bytes.size() - 8 * count;
        CHECK(header % 64 == 0);
        CHECK(static_cast<unsigned char>(m.bytes[8]) + 256 * static_cast<unsigned char>(m.bytes[9]) + 10 == static_cast<int>(header));
        CHECK(m.bytes.find("'shape': (" + std::to_string(count) + ",)") < header);
        CHECK((count == 0 || std::memcmp(m.bytes.data() + header, values.data(), 8 * count) == 0));  // each is the beginning of the last
    }
}

TEST_CASE("names that lead elsewhere are names, and none is lost")
{
    const files::temporary_folder folder;
    const std::vector<std::string> names = {"../../etc/passwd", "/root", "c:\\x", "a", "a", "a (2)", "", "..", "100%", "wéight", "\x1b[31m",
                                            std::string("nul\0l", 5), "\xff\xfe", std::string(100'000, 'n')};
    npz_writer file(folder.path() / "a.npz");
    for (const std::string& name : names)
        file.add(name, std::vector<double>(1));
    file.commit();
    const auto members = members_of(folder.path() / "a.npz");
    REQUIRE(members.size() == names.size());
    const std::vector<std::string> expected = {"..%2F..%2Fetc%2Fpasswd.npy", "%2Froot.npy", "c%3A%5Cx.npy", "a.npy", "a (2).npy", "a (2) (2).npy",
                                               ".npy", "...npy", "100%25.npy", "wéight.npy", "%1B[31m.npy", "nul%00l.npy", "%FF%FE.npy",
                                               std::string(60'000, 'n').append(".npy")};
    for (std::size_t i = 0; i < names.size(); ++i)
        CHECK(members[i].name == expected[i]);
}

TEST_CASE("an archive of 70,000 entries is ZIP64, one of none is empty")
{
    const files::temporary_folder folder;
    npz_writer many(folder.path() / "many.npz"), none(folder.path() / "none.npz");
    for (int i = 0; i < 70'000; ++i)
        many.add(std::to_string(i), {});
    many.commit();
    none.commit();
    int error = 0;
    const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(zip_open((folder.path() / "many.npz").c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error), zip_discard);
    REQUIRE(archive);
    CHECK(zip_get_num_entries(archive.get(), 0) == 70'000);
    CHECK(zip_name_locate(archive.get(), "69999.npy", 0) == 69'999);
    CHECK(files::content(folder.path() / "none.npz") == std::string("PK\x05\x06", 4).append(18, '\0'));
}

TEST_CASE("an archive that is not committed leaves nothing")
{
    const files::temporary_folder folder;
    {
        npz_writer file(folder.path() / "a.npz");
        file.add("w", std::vector<double>(1000));
    }
    CHECK(std::filesystem::is_empty(folder.path()));
    CHECK_THROWS_AS(npz_writer(folder.path() / "missing" / "a.npz"), write_error);
}
