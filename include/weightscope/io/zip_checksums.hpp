#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <zlib.h>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

inline bool is_zip_archive(const mapped_file& file)
{
    return file.bytes().size() >= 22 && std::memcmp(file.bytes().data(), "PK\x03\x04", 4) == 0;
}

// CRC-32 of bytes [begin, end) of a file as it is, and with the changes of a plan.
struct zip_crc_pair
{
    std::uint32_t before = 0, after = 0;
};
inline zip_crc_pair zip_crcs_of(std::span<const std::byte> bytes, std::uint64_t begin, std::uint64_t end, const std::vector<byte_change>& changes)
{
    constexpr std::uint64_t part = std::uint64_t{1} << 20;
    unsigned long before = ::crc32(0, nullptr, 0), after = before;
    auto change = std::lower_bound(changes.begin(), changes.end(), begin, [](const byte_change& c, std::uint64_t at) { return c.offset < at; });
    std::vector<unsigned char> copy;
    for (std::uint64_t at = begin; at < end; at += part) {
        const std::uint64_t size = std::min(part, end - at);
        const auto* from = reinterpret_cast<const unsigned char*>(bytes.data() + at);
        before = ::crc32(before, from, static_cast<unsigned>(size));
        copy.assign(from, from + size);
        for (; change != changes.end() && change->offset < at + size; ++change)
            copy[change->offset - at] = static_cast<unsigned char>((copy[change->offset - at] & ~change->mask) | change->new_bits);
        after = ::crc32(after, copy.data(), static_cast<unsigned>(size));
    }
    return {static_cast<std::uint32_t>(before), static_cast<std::uint32_t>(after)};
}

// Adds to a plan for a zip archive that the checksums of the entries that it changes are right again. A checksum that is not right as it
// is stays so.
inline void add_zip_checksums_inplace(patch_plan& plan, const mapped_file& file)
{
    const std::span<const std::byte> bytes = file.bytes();
    const std::vector<byte_change> changes = plan.changes;
    const auto put = [&](std::uint64_t offset, const zip_crc_pair& crcs) {
        std::uint32_t found = 0;
        if (offset > bytes.size() || bytes.size() - offset < sizeof found)
            return;
        std::memcpy(&found, bytes.data() + offset, sizeof found);
        if (found != crcs.before)
            return;
        for (unsigned i = 0; i < 4; ++i)
            plan.changes.push_back({.offset = offset + i,
                                    .mask = 0xff,
                                    .old_bits = static_cast<std::uint8_t>(crcs.before >> 8 * i),
                                    .new_bits = static_cast<std::uint8_t>(crcs.after >> 8 * i)});
    };
    for (const zip_entry& entry : read_zip_directory(file)) {
        const std::uint64_t begin = entry.data_offset, end = begin + entry.stored_bytes;
        const auto first = std::lower_bound(changes.begin(), changes.end(), begin, [](const byte_change& c, std::uint64_t at) { return c.offset < at; });
        if (first == changes.end() || first->offset >= end)
            continue;
        const zip_crc_pair crcs = zip_crcs_of(bytes, begin, end, changes);
        if (crcs.before != entry.crc)
            continue;
        put(entry.record_offset + 16, crcs);
        put(entry.header_offset + 14, crcs);
        const bool record_follows = (std::to_integer<unsigned>(bytes[entry.header_offset + 6]) & 8) != 0;
        if (record_follows && bytes.size() - end >= 4)
            put(std::memcmp(bytes.data() + end, "PK\x07\x08", 4) == 0 ? end + 4 : end, crcs);
    }
    std::sort(plan.changes.begin(), plan.changes.end(), [](const byte_change& a, const byte_change& b) { return a.offset < b.offset; });
}

}  // namespace weightscope::detail
