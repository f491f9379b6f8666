#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE atomic_file::atomic_file(std::filesystem::path target) : target_(std::move(target)), final_(target_)
{
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(target_, error);
    if (std::filesystem::is_directory(status))
        throw write_error(target_, "is a folder; name a file in it");
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        file_.reset(std::fopen(target_.string().c_str(), "wb"));
        if (!file_)
            refuse(errno);
        return;
    }
    if (const auto followed = std::filesystem::canonical(target_, error); !error)
        final_ = followed;
    std::random_device random;
    do {  // the name does not grow with the target's, which may be as long as the file system allows
        const std::filesystem::path name = fmt::format(".weightscope-{:08x}.tmp", random());
        temporary_ = final_.parent_path() / name;
        errno = 0;
        file_.reset(std::fopen(temporary_.string().c_str(), "wbx"));  // x: fails if it exists
    } while (!file_ && errno == EEXIST);
    if (!file_) {
        temporary_.clear();
        refuse(errno);
    }
}

WEIGHTSCOPE_INLINE atomic_file::~atomic_file()
{
    file_.reset();
    std::error_code ignored;
    if (!temporary_.empty())
        std::filesystem::remove(temporary_, ignored);
}

WEIGHTSCOPE_INLINE void atomic_file::write(std::span<const std::byte> bytes)
{
    require(file_ != nullptr, "atomic_file::write(bytes): the file has been committed; write before commit()");
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
        refuse(errno);
}

WEIGHTSCOPE_INLINE void atomic_file::commit()
{
    require(file_ != nullptr, "atomic_file::commit(): the file has been committed already");
    if (std::fflush(file_.get()) != 0)
        refuse(errno);
#if __has_include(<unistd.h>)
    if (!temporary_.empty() && ::fsync(::fileno(file_.get())) != 0)
        refuse(errno);
#endif
    if (std::fclose(file_.release()) != 0)
        refuse(errno);
    if (temporary_.empty())
        return;
    std::error_code error;
    std::filesystem::rename(temporary_, final_, error);
    if (error)
        refuse(error.value());
    temporary_.clear();
}

WEIGHTSCOPE_INLINE void atomic_file::refuse(int error) const
{
    const std::string_view cure = error == ENOENT                        ? "; create its folder first"
                                  : error == ENOTDIR                     ? "; a part of its path is a file"
                                  : error == EACCES || error == EROFS    ? "; choose a folder that you may write to"
                                  : error == ENOSPC || error == EDQUOT   ? "; free some space or choose another disk"
                                  : error == EFBIG                       ? "; raise the limit on the size of files: ulimit -f unlimited"
                                                                         : "";
    throw write_error(target_, fmt::format("cannot be written: {}{}", std::generic_category().message(error), cure));
}

WEIGHTSCOPE_INLINE void make_folder(const std::filesystem::path& folder)
{
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (!std::filesystem::is_directory(folder))
        throw write_error(folder, fmt::format("the folder cannot be made: {}; name a folder that exists or can be made",
                                              error ? error.message() : std::string("a file has its name")));
}

WEIGHTSCOPE_INLINE void write_text_file(const std::filesystem::path& path, std::string_view text)
{
    atomic_file file(path);
    file.write(text);
    file.commit();
}

}  // namespace weightscope
