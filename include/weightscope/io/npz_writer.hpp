#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/atomic_file.hpp>

namespace weightscope {

namespace detail {

// CRC-32 of ISO 3309, as ZIP and PNG use it; `crc` is that of what came before.
[[nodiscard]] WEIGHTSCOPE_INLINE std::uint32_t crc32(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace detail

/// Writes vectors into one file that numpy.load reads: an NPZ archive, which is a ZIP of .npy files, not compressed.
///
///     npz_writer out("spectra.npz");
///     out.add("layers.0.weight", sigma);
///     out.commit();
///
/// The file appears whole or not at all. Characters of a name that could lead out of a folder, and those that are not to be seen, are
/// written as in a URL: urllib.parse.unquote gives the name back. A name that comes again gets a number: "name (2)".
class npz_writer
{
public:
    /// @throws write_error  see atomic_file
    explicit npz_writer(std::filesystem::path target) : file_(std::move(target)) {}

    /// Appends an array of float64 of shape [values.size()].
    /// @throws std::invalid_argument  values has 2^29 numbers or more: they do not fit into an entry
    /// @throws write_error            the disk is full or fails
    void add(std::string_view name, std::span<const double> values);

    /// Makes the file appear under its name. Nothing may be added after it.
    /// @throws write_error  the disk is full or fails; the target is as it was
    void commit();

private:
    struct entry
    {
        std::string name;
        std::uint32_t crc = 0, size = 0;
        std::uint64_t offset = 0;
    };

    void write(std::string_view bytes);

    // What the local header and the directory say alike.
    static void append_description(std::string& bytes, const entry& e);

    atomic_file file_;
    std::uint64_t offset_ = 0;
    std::vector<entry> entries_;
    std::set<std::string> names_;
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/npz_writer.hpp>
#endif
