#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/sigbus_guard.hpp>

namespace weightscope {

namespace detail {

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

#ifdef WEIGHTSCOPE_MMAP

WEIGHTSCOPE_INLINE file_descriptor::file_descriptor(const std::filesystem::path& path)
    : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))  // a pipe must not make the caller wait
{
}

WEIGHTSCOPE_INLINE file_descriptor::~file_descriptor()
{
    if (number >= 0)
        ::close(number);
}

#endif

}  // namespace detail

WEIGHTSCOPE_INLINE mapped_file::mapped_file(std::filesystem::path name, std::vector<std::byte> content)
    : path_(std::move(name)), copy_(std::move(content))
{
    if (copy_.empty())
        throw io_error(path_, std::nullopt, {}, "is empty (0 bytes); download or write it again");
    bytes_ = copy_;
}

#ifdef WEIGHTSCOPE_MMAP

WEIGHTSCOPE_INLINE mapped_file::mapped_file(std::filesystem::path path) : path_(std::move(path)), descriptor_(path_)
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

WEIGHTSCOPE_INLINE mapped_file::~mapped_file()
{
    if (guard_ == nullptr)
        return;
    detail::unguard(*guard_);
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

WEIGHTSCOPE_INLINE void mapped_file::verify() const
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

WEIGHTSCOPE_INLINE mapped_file::mapped_file(std::filesystem::path path) : path_(std::move(path))
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

WEIGHTSCOPE_INLINE mapped_file::~mapped_file() = default;

WEIGHTSCOPE_INLINE void mapped_file::verify() const
{
}

#endif

}  // namespace weightscope
