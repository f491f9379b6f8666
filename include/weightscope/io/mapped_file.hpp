#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<sys/mman.h>)
#define WEIGHTSCOPE_MMAP
#endif

namespace weightscope {

#ifdef WEIGHTSCOPE_MMAP

namespace detail {

struct guarded_range;

struct file_descriptor
{
    int number = -1;

    file_descriptor() = default;
    explicit file_descriptor(const std::filesystem::path& path);
    file_descriptor(const file_descriptor&) = delete;
    file_descriptor& operator=(const file_descriptor&) = delete;
    ~file_descriptor();
};

}  // namespace detail

#endif

/// A regular file, mapped read-only into memory for as long as the object lives.
///
/// Reading past the end of a file that another program has shortened meanwhile would kill the process with SIGBUS. The
/// first mapping therefore installs a handler for that signal, for the rest of the process: where the address lies in a
/// mapped_file, the page is replaced by zeros and the file marked as damaged, which verify() reports; any other SIGBUS
/// goes to the handler that was there before. A program that installs its own handler later must call the one it
/// replaces.
///
/// The handler looks after 1024 files at a time; what is opened beyond them, and every file on a system without mmap,
/// is read into memory instead.
class mapped_file
{
public:
    /// @throws io_error  `path` is no regular file, is empty, or cannot be opened
    explicit mapped_file(std::filesystem::path path);
    /// Bytes that are in memory already, as if they lay in a file called `name`: an entry of an archive, a download.
    /// @throws io_error  there are none
    mapped_file(std::filesystem::path name, std::vector<std::byte> content);
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;
    ~mapped_file();

    const std::filesystem::path& path() const noexcept { return path_; }
    std::span<const std::byte> bytes() const noexcept { return bytes_; }

    /// @throws io_error  the file is shorter than it was when it was opened, or a part of it could not be read: then
    ///                   what was read from bytes() may be wrong
    void verify() const;

private:
    std::filesystem::path path_;
    std::span<const std::byte> bytes_;
    std::vector<std::byte> copy_;
#ifdef WEIGHTSCOPE_MMAP
    detail::file_descriptor descriptor_;
    detail::guarded_range* guard_ = nullptr;
#endif
};

namespace detail {

// What `read()` returns, unless the file turns out to have changed under it: then that is the error, whatever read()
// made of it. The file may be null.
template <class F>
std::invoke_result_t<F&> read_verified(const mapped_file* file, F&& read)
{
    const auto verify = [file] {
        if (file != nullptr)
            file->verify();
    };
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
            read();
            verify();
        } else {
            decltype(auto) result = read();
            verify();
            return std::forward<decltype(result)>(result);
        }
    } catch (...) {
        verify();
        throw;
    }
}

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/mapped_file.hpp>
#endif
