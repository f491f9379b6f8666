#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<sys/mman.h>)
#define WEIGHTSCOPE_MMAP
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/sigbus_guard.hpp>

namespace weightscope {

namespace detail {

#ifdef WEIGHTSCOPE_MMAP

struct file_descriptor
{
    int number = -1;

    file_descriptor() = default;
    explicit file_descriptor(const std::filesystem::path& path)
        : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))  // a pipe must not make the caller wait
    {
    }
    file_descriptor(const file_descriptor&) = delete;
    file_descriptor& operator=(const file_descriptor&) = delete;
    ~file_descriptor()
    {
        if (number >= 0)
            ::close(number);
    }
};

#endif

inline std::vector<std::byte> read_whole(const std::filesystem::path& path, std::size_t bytes)
{
    std::vector<std::byte> content(bytes);
    std::ifstream in(path, std::ios::binary);
    in.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes));
    if (!in)
        throw io_error(path, std::nullopt, {},
                       "cannot be read; make sure that it is readable and that nothing writes to it");
    return content;
}

}  // namespace detail

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

inline mapped_file::mapped_file(std::filesystem::path name, std::vector<std::byte> content)
    : path_(std::move(name)), copy_(std::move(content))
{
    if (copy_.empty())
        throw io_error(path_, std::nullopt, {}, "is empty (0 bytes); download or write it again");
    bytes_ = copy_;
}

#ifdef WEIGHTSCOPE_MMAP

inline mapped_file::mapped_file(std::filesystem::path path) : path_(std::move(path)), descriptor_(path_)
{
    const auto refuse = [&](std::string_view fault) { throw io_error(path_, std::nullopt, {}, fault); };
    if (descriptor_.number < 0 && (errno == ENOENT || errno == ENOTDIR))
        refuse("no such file; check the path");
    struct stat status = {};
    if (descriptor_.number < 0 || ::fstat(descriptor_.number, &status) != 0)
        refuse(fmt::format("cannot be opened: {}", std::generic_category().message(errno)));
    if (!S_ISREG(status.st_mode))
        refuse(S_ISDIR(status.st_mode) ? "is a folder; expected a file" : "is no regular file; expected one");
    if (status.st_size == 0)
        refuse("is empty (0 bytes); download or write it again");

    const auto size = static_cast<std::size_t>(status.st_size);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor_.number, 0);
    if (address == MAP_FAILED)
        refuse(fmt::format("cannot be mapped into memory: {}", std::generic_category().message(errno)));
    guard_ = detail::guard(address, size);
    if (guard_ != nullptr) {
        bytes_ = {static_cast<const std::byte*>(address), size};
    } else {
        ::munmap(address, size);
        copy_ = detail::read_whole(path_, size);
        bytes_ = copy_;
    }
}

inline mapped_file::~mapped_file()
{
    if (guard_ == nullptr)
        return;
    detail::unguard(*guard_);
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

inline void mapped_file::verify() const
{
    if (guard_ == nullptr)
        return;
    struct stat status = {};
    const bool known = ::fstat(descriptor_.number, &status) == 0;
    if (known && static_cast<std::size_t>(status.st_size) < bytes_.size())
        throw io_error(
            path_, std::nullopt, {},
            fmt::format("shrank from {} to {} bytes while it was being read; wait until nothing writes to it and "
                        "read it again",
                        bytes_.size(), status.st_size));
    if (guard_->damaged.load())
        throw io_error(
            path_, std::nullopt, {},
            "changed or could not be read while it was being read; make sure that nothing writes to it and read "
            "it again");
}

#else

inline mapped_file::mapped_file(std::filesystem::path path) : path_(std::move(path))
{
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path_, error);
    const auto refuse = [&](std::string_view fault) { throw io_error(path_, std::nullopt, {}, fault); };
    if (!std::filesystem::exists(status))
        refuse("no such file; check the path");
    if (!std::filesystem::is_regular_file(status))
        refuse(std::filesystem::is_directory(status) ? "is a folder; expected a file"
                                                     : "is no regular file; expected one");
    const auto size = std::filesystem::file_size(path_, error);
    if (error || size == 0)
        refuse("is empty (0 bytes); download or write it again");
    copy_ = detail::read_whole(path_, static_cast<std::size_t>(size));
    bytes_ = copy_;
}

inline mapped_file::~mapped_file() = default;

inline void mapped_file::verify() const
{
}

#endif

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
