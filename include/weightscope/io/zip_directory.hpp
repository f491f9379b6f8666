#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope::detail {

enum class zip_method : std::uint16_t
{
    stored = 0,
    deflated = 8
};

// A file in a zip archive, which lies where the directory and its own header say alike.
struct zip_entry
{
    std::string name = {};  // any bytes: printable() before it is shown
    zip_method method = zip_method::stored;
    std::uint32_t crc = 0;
    std::uint64_t bytes = 0;          // of the content
    std::uint64_t stored_bytes = 0;   // of the content as it lies in the archive
    std::uint64_t header_offset = 0;  // of the entry's own header in the archive
    std::uint64_t data_offset = 0;    // of the content in the archive
    std::uint64_t record_offset = 0;  // of the entry's record in the directory
};

WEIGHTSCOPE_INLINE std::span<const std::byte> stored_bytes(const mapped_file& file, const zip_entry& entry);

// In the order of the directory.
WEIGHTSCOPE_INLINE std::vector<zip_entry> read_zip_directory(const mapped_file& file);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/zip_directory.hpp>
#endif
