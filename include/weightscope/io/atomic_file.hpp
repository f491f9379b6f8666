#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// An output file that appears whole or not at all.
///
///     atomic_file out("report.json");
///     out.write(text);
///     out.commit();
///
/// What is written goes to a temporary file in the same folder; commit() brings it safely to the disk and renames it to
/// the target, which until then is as it was. Without commit() the temporary file is removed. A symbolic link is
/// followed; a target that exists and is neither file nor folder (/dev/stdout, a pipe) is written to directly.
class atomic_file
{
public:
    /// @throws write_error  the target is a folder, or its folder is missing or must not be written to
    explicit atomic_file(std::filesystem::path target);
    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;
    ~atomic_file();

    /// Appends `bytes`.
    /// @throws write_error  the disk is full or fails
    void write(std::span<const std::byte> bytes);
    /// Appends `text`.
    /// @throws write_error  the disk is full or fails
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Makes the file appear under its name. Nothing may be written after it.
    /// @throws write_error  the disk is full or fails; the target is as it was
    void commit();

private:
    struct closing
    {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    [[noreturn]] void refuse(int error) const;

    std::filesystem::path target_;     // as the user named it
    std::filesystem::path final_;      // links followed
    std::filesystem::path temporary_;  // empty where the target is written to directly, and after the end
    std::unique_ptr<std::FILE, closing> file_;
};

/// Makes a folder and those above it where they are missing.
///
/// @throws write_error
WEIGHTSCOPE_INLINE void make_folder(const std::filesystem::path& folder);

/// Writes a text file, which appears whole or not at all.
///
/// @throws write_error
WEIGHTSCOPE_INLINE void write_text_file(const std::filesystem::path& path, std::string_view text);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/atomic_file.hpp>
#endif
