#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/npz_writer.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::uint32_t crc32(std::string_view bytes, std::uint32_t crc)
{
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> entries{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            entries[i] = i;
            for (int bit = 0; bit < 8; ++bit)
                entries[i] = (entries[i] >> 1) ^ ((entries[i] & 1) != 0 ? 0xedb88320u : 0);
        }
        return entries;
    }();
    crc = ~crc;
    for (const char byte : bytes)
        crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
    return ~crc;
}

inline void append_little_endian(std::string& bytes, std::uint64_t value, std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i)
        bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

// A name that leads into no folder when the archive is unpacked, whatever the model's author chose: what could, and what is not to be
// seen, is written %2F as in a URL. Cut at what the format can hold.
inline std::string archived_name(std::string_view name)
{
    constexpr std::size_t longest = 60'000;
    std::string result;
    while (!name.empty() && result.size() < longest) {
        const utf8_character front = utf8_front(name);
        const std::size_t length = front.length == 0 ? 1 : front.length;
        const bool plain = front.length > 0 && !disturbs_a_terminal(front.code) && std::string_view("/\\:%").find(name[0]) == std::string_view::npos;
        for (const char byte : name.substr(0, length))
            result += plain ? std::string(1, byte) : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
        name.remove_prefix(length);
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE void npz_writer::write(std::string_view bytes)
{
    file_.write(bytes);
    offset_ += bytes.size();
}

WEIGHTSCOPE_INLINE void npz_writer::append_description(std::string& bytes, const entry& e)
{
    constexpr std::uint64_t utf8_name = 1u << 11, first_of_january_1980 = 0x21;
    detail::append_little_endian(bytes, utf8_name, 2);
    detail::append_little_endian(bytes, 0, 2);  // not compressed
    detail::append_little_endian(bytes, first_of_january_1980 << 16, 4);
    detail::append_little_endian(bytes, e.crc, 4);
    detail::append_little_endian(bytes, e.size, 4);
    detail::append_little_endian(bytes, e.size, 4);
    detail::append_little_endian(bytes, e.name.size(), 2);
}

WEIGHTSCOPE_INLINE void npz_writer::add(std::string_view name, std::span<const double> values)
{
    require(values.size() < (std::size_t{1} << 29), "npz_writer::add(name, values): values has {} numbers, expected fewer than 536870912",
            values.size());
    const std::string plain = detail::archived_name(name);
    std::string unique = plain;
    for (std::size_t i = 2; !names_.insert(unique).second; ++i)
        unique = fmt::format("{} ({})", plain, i);

    // magic, version 1.0, length of the text, text padded to a multiple of 64 bytes in all
    std::string head = fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.size());
    constexpr std::size_t before = 10, alignment = 64;
    head.append(alignment - (before + head.size() + 1) % alignment, ' ');
    head += '\n';
    std::string bytes = "\x93NUMPY\x01";
    bytes += '\0';
    detail::append_little_endian(bytes, head.size(), 2);
    bytes += head;
    if constexpr (std::endian::native == std::endian::little) {
        bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    } else {
        for (const double x : values)
            detail::append_little_endian(bytes, std::bit_cast<std::uint64_t>(x), 8);
    }

    entries_.push_back({unique + ".npy", detail::crc32(bytes), static_cast<std::uint32_t>(bytes.size()), offset_});
    const entry& e = entries_.back();
    std::string local = "PK\x03\x04";
    detail::append_little_endian(local, 20, 2);  // version 2.0 can read it
    append_description(local, e);
    detail::append_little_endian(local, 0, 2);
    local += e.name;
    write(local);
    write(bytes);
}

WEIGHTSCOPE_INLINE void npz_writer::commit()
{
    constexpr std::uint64_t full_32 = 0xffffffff, full_16 = 0xffff;  // "see the 64-bit record"
    const std::uint64_t start = offset_;
    for (const entry& e : entries_) {
        const bool far = e.offset >= full_32;
        std::string bytes = "PK\x01\x02";
        detail::append_little_endian(bytes, 45, 2);
        detail::append_little_endian(bytes, far ? 45 : 20, 2);
        append_description(bytes, e);
        detail::append_little_endian(bytes, far ? 12 : 0, 2);  // extra field
        bytes.append(10, '\0');                               // comment, disk and attributes
        detail::append_little_endian(bytes, far ? full_32 : e.offset, 4);
        bytes += e.name;
        if (far) {
            detail::append_little_endian(bytes, 1, 2);
            detail::append_little_endian(bytes, 8, 2);
            detail::append_little_endian(bytes, e.offset, 8);
        }
        write(bytes);
    }
    const std::uint64_t size = offset_ - start, count = entries_.size();
    const bool large = start >= full_32 || size >= full_32 || count >= full_16;
    std::string end;
    if (large) {  // ZIP64: the record, and where it is
        end = "PK\x06\x06";
        detail::append_little_endian(end, 44, 8);
        detail::append_little_endian(end, 45, 2);
        detail::append_little_endian(end, 45, 2);
        detail::append_little_endian(end, 0, 8);  // disks
        for (const std::uint64_t value : {count, count, size, start})
            detail::append_little_endian(end, value, 8);
        end += "PK\x06\x07";
        detail::append_little_endian(end, 0, 4);
        detail::append_little_endian(end, start + size, 8);
        detail::append_little_endian(end, 1, 4);
    }
    end += "PK\x05\x06";
    detail::append_little_endian(end, 0, 4);  // disks
    for (int i = 0; i < 2; ++i)
        detail::append_little_endian(end, large ? full_16 : count, 2);
    detail::append_little_endian(end, large ? full_32 : size, 4);
    detail::append_little_endian(end, large ? full_32 : start, 4);
    detail::append_little_endian(end, 0, 2);
    write(end);
    file_.commit();
}

}  // namespace weightscope
