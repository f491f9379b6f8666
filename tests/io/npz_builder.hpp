// Writes NPY arrays and zip archives for tests, byte by byte, with every field free to be wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

namespace npz_builder {

inline std::string little(std::uint64_t value, unsigned bytes)
{
    std::string result;
    for (unsigned i = 0; i < bytes; ++i)
        result += static_cast<char>(value >> (8 * i) & 0xff);
    return result;
}

/// Magic, version, length, header and data of an array.
inline std::string npy(std::string_view header, std::string_view data, char version = 1)
{
    std::string result = "\x93NUMPY";
    result += version;
    result += '\0';
    return result + little(header.size(), version == 1 ? 2 : 4) + std::string(header) + std::string(data);
}

inline std::string deflated(std::string_view content)
{
    std::string result(content.size() + content.size() / 100 + 64, '\0');
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(result.data());
    stream.avail_out = static_cast<uInt>(result.size());
    deflate(&stream, Z_FINISH);
    result.resize(stream.total_out);
    deflateEnd(&stream);
    return result;
}

struct entry
{
    std::string name = {};
    std::string content = {};
    bool deflate = false;
    bool sizes_follow = false;  ///< in a record behind the content, as streams are written
    bool large = false;         ///< sizes in a 64-bit record
    std::uint64_t method = 0;   ///< if not 0: instead of the true one
    std::uint64_t flags = 0;    ///< in addition
    std::int64_t claim = -1;    ///< if not negative: size of the content that is claimed
    std::uint64_t crc_error = 0;
    std::string packed = {};    ///< if not empty: instead of the deflated content
};

/// A zip archive of these entries.
inline std::string zip(const std::vector<entry>& entries, std::string_view comment = {}, bool large_directory = false)
{
    std::string file, directory;
    for (const entry& e : entries) {
        const std::string data = !e.packed.empty() ? e.packed : e.deflate ? deflated(e.content) : e.content;
        const std::uint64_t crc = crc32(0, reinterpret_cast<const Bytef*>(e.content.data()), static_cast<uInt>(e.content.size())) ^ e.crc_error;
        const std::uint64_t size = e.claim >= 0 ? static_cast<std::uint64_t>(e.claim) : e.content.size(), full = 0xffffffff;
        const std::string method = little(e.flags | (e.sizes_follow ? 8 : 0), 2) + little(e.method != 0 ? e.method : e.deflate ? 8 : 0, 2) + little(0, 4);
        const auto sizes = [&](bool known) {
            return little(known ? crc : 0, 4) + little(!known ? 0 : e.large ? full : data.size(), 4) + little(!known ? 0 : e.large ? full : size, 4);
        };
        const std::string extra = e.large ? little(1, 2) + little(16, 2) + little(size, 8) + little(data.size(), 8) : std::string();
        const std::uint64_t offset = file.size();
        file += "PK\x03\x04" + little(20, 2) + method + sizes(!e.sizes_follow) + little(e.name.size(), 2) + little(extra.size(), 2) + e.name + extra + data;
        if (e.sizes_follow)
            file += "PK\x07\x08" + little(crc, 4) + little(data.size(), 4) + little(size, 4);
        directory += "PK\x01\x02" + little(20, 2) + little(20, 2) + method + sizes(true) + little(e.name.size(), 2) + little(extra.size(), 2)
                   + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) + little(offset, 4) + e.name + extra;
    }
    const std::uint64_t start = file.size(), count = entries.size();
    file += directory;
    if (large_directory) {
        const std::uint64_t record = file.size();
        file += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(count, 8) + little(count, 8)
              + little(directory.size(), 8) + little(start, 8);
        file += "PK\x06\x07" + little(0, 4) + little(record, 8) + little(1, 4);
    }
    const std::uint64_t shown = large_directory ? 0xffffffff : start;
    return file + "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2) + little(directory.size(), 4) + little(shown, 4)
         + little(comment.size(), 2) + std::string(comment);
}

/// Two by three floats, 1 to 6.
inline std::string small_array()
{
    return npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
               std::string_view("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40", 24));
}

}  // namespace npz_builder
