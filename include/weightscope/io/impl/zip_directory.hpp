#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::span<const std::byte> stored_bytes(const mapped_file& file, const zip_entry& entry)
{
    return file.bytes().subspan(entry.data_offset, entry.stored_bytes);
}

// Reads the directory of a zip archive and the header of each entry: stored and deflated entries, with and without the records for
// sizes beyond 4 GiB. Every entry that it returns lies inside the file, overlaps no other and claims no more than its bytes can hold.
class zip_directory_reader
{
public:
    explicit zip_directory_reader(const mapped_file& file) : file_(file), bytes_(file.bytes()) {}

    std::vector<zip_entry> read()
    {
        const directory place = find_directory();
        std::vector<zip_entry> entries;
        std::unordered_set<std::string> names;
        std::uint64_t at = place.offset;
        for (std::uint64_t i = 0; i < place.count; ++i) {
            const std::uint64_t begin = at;
            entries.push_back(read_entry(at, place));
            if (!names.insert(entries.back().name).second)
                refuse(begin, fmt::format("the entry '{}' stands twice", printable(entries.back().name)));
        }
        std::vector<const zip_entry*> order;
        for (const zip_entry& entry : entries)
            order.push_back(&entry);
        std::sort(order.begin(), order.end(), [](auto a, auto b) { return a->header_offset < b->header_offset; });
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i]->header_offset < order[i - 1]->data_offset + order[i - 1]->stored_bytes)
                refuse(order[i]->header_offset,
                       fmt::format("the entry '{}' overlaps '{}'", printable(order[i]->name), printable(order[i - 1]->name)));
        return entries;
    }

private:
    struct directory
    {
        std::uint64_t offset, end, count;
    };

    static constexpr std::uint64_t full_16 = 0xffff, full_32 = 0xffffffff;  // "see the 64-bit record"

    [[noreturn]] void refuse(std::uint64_t at, std::string_view fault) const { refuse_damaged(file_.path(), at, "zip directory", fault); }

    template <class Int>
    std::uint64_t number(std::uint64_t at) const
    {
        Int value = 0;
        for (std::size_t i = 0; i < sizeof value; ++i)
            value = static_cast<Int>(value | static_cast<Int>(std::to_integer<Int>(bytes_[at + i]) << (8 * i)));
        return value;
    }
    std::uint64_t two(std::uint64_t at) const { return number<std::uint16_t>(at); }
    std::uint64_t four(std::uint64_t at) const { return number<std::uint32_t>(at); }
    std::uint64_t eight(std::uint64_t at) const { return number<std::uint64_t>(at); }

    bool has(std::uint64_t at, std::uint64_t size, std::string_view magic) const
    {
        return at <= bytes_.size() && size <= bytes_.size() - at && std::memcmp(bytes_.data() + at, magic.data(), magic.size()) == 0;
    }

    directory find_directory() const
    {
        constexpr std::uint64_t end_size = 22, locator_size = 20, end_64_size = 56, longest_comment = full_16;
        const std::uint64_t size = bytes_.size();
        std::uint64_t end = size;
        for (std::uint64_t i = end_size; i <= std::min(size, end_size + longest_comment); ++i)
            if (has(size - i, end_size, "PK\x05\x06") && two(size - i + 20) == i - end_size) {
                end = size - i;
                break;
            }
        if (end == size)
            refuse(size, "is not there: the archive is cut off before its end");
        directory place{four(end + 16), end, two(end + 10)};
        std::uint64_t length = four(end + 12);
        if (two(end + 4) != two(end + 6) || two(end + 8) != place.count)
            throw io_error(file_.path(), end + 4, "zip directory", "is spread over several files, expected one; join them first");
        if ((place.offset == full_32 || length == full_32 || place.count == full_16) && end >= locator_size
            && has(end - locator_size, locator_size, "PK\x06\x07")) {
            const std::uint64_t record = eight(end - locator_size + 8);
            if (!has(record, end_64_size, "PK\x06\x06"))
                refuse(end - locator_size + 8, "leads to no 64-bit record");
            place = {eight(record + 48), record, eight(record + 32)};
            length = eight(record + 40);
        }
        if (place.offset > place.end || length > place.end - place.offset)
            refuse(place.end, fmt::format("its {} bytes do not fit between byte {} and itself", length, place.offset));
        place.end = place.offset + length;
        return place;
    }

    // Reads the entry at `at` and moves on to the next.
    zip_entry read_entry(std::uint64_t& at, const directory& place) const
    {
        constexpr std::uint64_t fixed_size = 46;
        if (place.end - at < fixed_size || !has(at, fixed_size, "PK\x01\x02"))
            refuse(at, "found no entry where one was expected");
        const std::uint64_t name = at + fixed_size, name_size = two(at + 28), extra = name + name_size, extra_size = two(at + 30),
                            next = extra + extra_size + two(at + 32);
        if (next > place.end)
            refuse(at, "an entry runs past the end of the directory");
        zip_entry entry{.name = text(name, name_size), .crc = static_cast<std::uint32_t>(four(at + 16)),
                        .bytes = four(at + 24), .stored_bytes = four(at + 20), .header_offset = four(at + 42)};
        read_64_bit_extra(extra, extra_size, entry);
        const std::uint64_t flags = two(at + 8), method = two(at + 10);
        const auto unsupported = [&](std::string_view what) {
            throw io_error(file_.path(), at, "zip directory",
                           fmt::format("the entry '{}' {}; write the archive again with entries that are stored or deflated",
                                       printable(entry.name), what));
        };
        if ((flags & 1) != 0)
            unsupported("is encrypted");
        if (method != 0 && method != 8)
            unsupported(fmt::format("is compressed by method {}", method));
        entry.method = static_cast<zip_method>(method);
        entry.record_offset = at;
        locate_data(at, flags, place.offset, entry);
        at = next;
        return entry;
    }

    std::string text(std::uint64_t at, std::uint64_t size) const { return {reinterpret_cast<const char*>(bytes_.data()) + at, size}; }

    void read_64_bit_extra(std::uint64_t at, std::uint64_t size, zip_entry& entry) const
    {
        const std::uint64_t end = at + size;
        while (end - at >= 4) {
            const std::uint64_t kind = two(at), length = two(at + 2);
            at += 4;
            if (length > end - at)
                return;  // other programs' fields are none of ours
            if (kind == 1) {
                std::uint64_t field = at;
                for (std::uint64_t* value : {&entry.bytes, &entry.stored_bytes, &entry.header_offset})
                    if (*value == full_32 && at + length - field >= 8) {
                        *value = eight(field);
                        field += 8;
                    }
            }
            at += length;
        }
    }

    // The header before the content must agree with the directory; its sizes may be left to a record behind the content.
    void locate_data(std::uint64_t at, std::uint64_t flags, std::uint64_t directory_offset, zip_entry& entry) const
    {
        constexpr std::uint64_t header_size = 30, most_from_one_byte = 1032;  // a match of 258 bytes in 2 bits
        const std::string name = printable(entry.name);
        const std::uint64_t header = entry.header_offset;
        if (header > directory_offset || directory_offset - header < header_size || !has(header, header_size, "PK\x03\x04"))
            refuse(at, fmt::format("the entry '{}' should lie at byte {}, where none is", name, header));
        const std::uint64_t name_size = two(header + 26);
        entry.data_offset = header + header_size + name_size + two(header + 28);
        if (entry.data_offset > directory_offset || entry.stored_bytes > directory_offset - entry.data_offset)
            refuse(at, fmt::format("the {} bytes of the entry '{}' run into the directory", entry.stored_bytes, name));
        const bool sizes_follow = (flags & 8) != 0;
        const auto differs = [&](std::uint64_t field, std::uint64_t value) {
            const std::uint64_t found = four(header + field);
            return !sizes_follow && found != full_32 && found != value;
        };
        if (name_size != entry.name.size() || text(header + header_size, name_size) != entry.name
            || two(header + 8) != static_cast<std::uint64_t>(entry.method) || differs(18, entry.stored_bytes) || differs(22, entry.bytes))
            refuse(header, fmt::format("the header of the entry '{}' disagrees with the directory", name));
        const bool stored = entry.method == zip_method::stored;
        if (stored ? entry.bytes != entry.stored_bytes : entry.bytes / most_from_one_byte > entry.stored_bytes)
            refuse(at, fmt::format("the entry '{}' claims {} bytes, which {} {} bytes cannot hold", name, entry.bytes, entry.stored_bytes,
                                   stored ? "stored" : "deflated"));
    }

    const mapped_file& file_;
    std::span<const std::byte> bytes_;
};

WEIGHTSCOPE_INLINE std::vector<zip_entry> read_zip_directory(const mapped_file& file)
{
    return zip_directory_reader(file).read();
}

}  // namespace weightscope::detail
