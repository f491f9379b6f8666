#pragma once

#if __has_include(<sys/mman.h>)

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>

namespace weightscope::detail {

// A folder of its own that goes with the object. What a killed process left behind goes when the next one is made beside it: a file in
// the folder is locked as long as its process lives, however that ends.
class scratch_folder
{
public:
    explicit scratch_folder(const std::filesystem::path& parent)
    {
        const std::filesystem::path place = parent.empty() ? std::filesystem::temp_directory_path() : parent;
        remove_orphans(place);
        std::string pattern = (place / "weightscope-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw write_error(pattern, fmt::format("cannot be made: {}", std::generic_category().message(errno)));
        path_ = pattern;
        // locked before it has its name, so that nobody finds it free
        const std::filesystem::path made = path_ / "lock.new";
        lock_ = ::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0 || ::rename(made.c_str(), (path_ / "lock").c_str()) != 0) {
            const std::string message = std::generic_category().message(errno);
            remove();
            throw write_error(path_ / "lock", fmt::format("cannot be made: {}", message));
        }
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() { remove(); }

    const std::filesystem::path& path() const { return path_; }

private:
    void remove() const
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
        if (lock_ >= 0)
            ::close(lock_);
    }

    // Folders of this user whose process is gone. Those without a lock may be a moment old, and stay.
    static void remove_orphans(const std::filesystem::path& place)
    {
        std::error_code ignored;
        for (std::filesystem::directory_iterator at(place, ignored), end; !ignored && at != end; at.increment(ignored)) {
            const std::string name = at->path().filename().string();
            struct stat status = {};
            if (!name.starts_with("weightscope-") || name.size() != 18 || ::lstat(at->path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode)
                || status.st_uid != ::geteuid())
                continue;
            const int lock = ::open((at->path() / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
            if (lock < 0)
                continue;
            std::error_code none;
            if (::flock(lock, LOCK_EX | LOCK_NB) == 0)
                std::filesystem::remove_all(at->path(), none);
            ::close(lock);
        }
    }

    std::filesystem::path path_;
    int lock_ = -1;
};

}  // namespace weightscope::detail

#endif
