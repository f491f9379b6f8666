#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors_header.hpp>

namespace weightscope::detail {

static_assert(std::endian::native == std::endian::little,
              "weightscope: safetensors files are little-endian and are read where they lie; this machine is not");

inline constexpr std::uint64_t longest_safetensors_header = 100'000'000;  // the reference's limit

// The header's JSON text.
inline std::string_view safetensors_header_text(const mapped_file& file)
{
    const std::span<const std::byte> bytes = file.bytes();
    std::uint64_t length = 0;
    if (bytes.size() < sizeof length)
        refuse_damaged(file.path(), bytes.size(), "header length",
                       fmt::format("the file ends after {} of its 8 bytes", bytes.size()));
    std::memcpy(&length, bytes.data(), sizeof length);
    if (length > longest_safetensors_header)
        throw io_error(file.path(), 0, "header length",
                       fmt::format("{} bytes, expected at most {}; either this is no safetensors file or it is damaged",
                                   length, longest_safetensors_header));
    const std::uint64_t rest = bytes.size() - sizeof length;
    if (length > rest)
        refuse_damaged(file.path(), bytes.size(), "header",
                       fmt::format("the file ends after {} of {} bytes of it", rest, length));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof length, length);
    if (text.empty() || text[0] != '{')
        throw io_error(
            file.path(), sizeof length, "header",
            fmt::format("begins with '{}', expected '{{'; either this is no safetensors file or it is damaged",
                        printable(text.substr(0, 1))));
    return text;
}

// Sorts the entries by their place in the data section, which they must fill without overlap, hole or rest.
inline void arrange_safetensors_entries(const mapped_file& file, std::uint64_t data_begin,
                                        std::vector<safetensors_entry>& entries)
{
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.data_offsets < b.data_offsets; });
    const std::uint64_t data_bytes = file.bytes().size() - data_begin;
    std::uint64_t filled = 0;
    const safetensors_entry* previous = nullptr;
    for (const safetensors_entry& entry : entries) {
        const std::uint64_t begin = entry.data_offsets[0], end = entry.data_offsets[1];
        if (begin < filled)
            refuse_damaged(file.path(), entry.data_offsets_at, entry.field("data_offsets"),
                           fmt::format("[{}, {}] overlap [{}, {}] of tensor '{}'", begin, end,
                                       previous->data_offsets[0], filled, printable(previous->name)));
        if (end > data_bytes)
            refuse_damaged(file.path(), entry.data_offsets_at, entry.field("data_offsets"),
                           fmt::format("[{}, {}] end {} bytes behind the file's end", begin, end, end - data_bytes));
        if (begin > filled)
            refuse_damaged(file.path(), data_begin + filled, entry.field("data_offsets"),
                           fmt::format("the {} bytes before it belong to no tensor", begin - filled));
        filled = end;
        previous = &entry;
    }
    if (filled < data_bytes)
        refuse_damaged(file.path(), data_begin + filled, "data",
                       fmt::format("{} bytes follow the last tensor, expected none", data_bytes - filled));
}

}  // namespace weightscope::detail
