#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <zlib.h>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/zip_directory.hpp>
#include <weightscope/io/zip_inflate.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bool inflate_front(const mapped_file& file, const zip_entry& entry, std::span<std::byte> out)
{
    constexpr std::size_t most_at_once = std::numeric_limits<uInt>::max();
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)  // without zlib's own header
        throw std::bad_alloc();
    const std::unique_ptr<z_stream, void (*)(z_stream*)> guard(&stream, [](z_stream* s) { inflateEnd(s); });
    std::span<const std::byte> in = stored_bytes(file, entry);
    const std::size_t size = out.size();
    const auto refuse = [&](std::string_view fault) {
        refuse_damaged(file.path(), entry.data_offset + entry.stored_bytes - in.size(), fmt::format("entry '{}'", printable(entry.name)), fault);
    };
    int status = Z_OK;
    std::byte beyond{};  // a place for a byte too many
    while (status == Z_OK) {
        const bool full = out.empty();
        const std::span<std::byte> to = full ? std::span(&beyond, 1) : out;
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
        stream.avail_in = static_cast<uInt>(std::min(in.size(), most_at_once));
        stream.next_out = reinterpret_cast<Bytef*>(to.data());
        stream.avail_out = static_cast<uInt>(std::min(to.size(), most_at_once));
        const std::size_t given = stream.avail_in, room = stream.avail_out;
        status = inflate(&stream, Z_NO_FLUSH);
        in = in.subspan(given - stream.avail_in);
        const std::size_t made = room - stream.avail_out;
        if (full && made > 0)
            return false;
        if (!full)
            out = out.subspan(made);
    }
    if (status != Z_STREAM_END && status != Z_BUF_ERROR)
        refuse(fmt::format("cannot be inflated: {}", stream.msg == nullptr ? "the stream is damaged" : stream.msg));
    if (status == Z_BUF_ERROR)
        refuse("cannot be inflated: the stream is cut off");
    if (!out.empty())
        refuse(fmt::format("holds {} bytes, but claims {}", size - out.size(), entry.bytes));
    return in.empty();
}

WEIGHTSCOPE_INLINE zip_content read_zip_entry(const mapped_file& file, const zip_entry& entry)
{
    zip_content content{.size = static_cast<std::size_t>(entry.bytes)};
    content.data.reset(new std::byte[content.size]);  // not touched before there is something to put into it
    const std::span<std::byte> out(content.data.get(), content.size);
    const auto refuse = [&](std::string_view fault) {
        refuse_damaged(file.path(), entry.data_offset, fmt::format("entry '{}'", printable(entry.name)), fault);
    };
    if (entry.method == zip_method::stored)
        std::ranges::copy(stored_bytes(file, entry), out.begin());
    else if (!inflate_front(file, entry, out))
        refuse(fmt::format("holds more than the {} bytes that it claims", entry.bytes));
    const auto crc = static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size()));
    if (crc != entry.crc)
        refuse(fmt::format("its checksum is {:08x}, expected {:08x}", crc, entry.crc));
    return content;
}

}  // namespace weightscope::detail
