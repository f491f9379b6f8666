#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

// The content of a zip entry, in memory of its own.
struct zip_content
{
    std::unique_ptr<std::byte[]> data = {};
    std::size_t size = 0;

    std::span<const std::byte> bytes() const { return {data.get(), size}; }
};

// Inflates the first bytes of a deflated entry into `out`, which they must fill, and reports whether that was all of it.
WEIGHTSCOPE_INLINE bool inflate_front(const mapped_file& file, const zip_entry& entry, std::span<std::byte> out);

// The content of an entry, checked against the size and the checksum that the directory gives.
WEIGHTSCOPE_INLINE zip_content read_zip_entry(const mapped_file& file, const zip_entry& entry);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/zip_inflate.hpp>
#endif
