#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>

#if __has_include(<spawn.h>)
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_png.hpp>

namespace weightscope {

namespace detail {

#if __has_include(<spawn.h>)

// An anonymous file, gone when it is closed.
class scratch_file
{
public:
    scratch_file() : file_(std::tmpfile()) {}
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;
    ~scratch_file()
    {
        if (file_)
            std::fclose(file_);
    }

    explicit operator bool() const { return file_ != nullptr; }
    int descriptor() const { return ::fileno(file_); }
    bool write(std::string_view text)
    {
        const bool written = std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0;
        std::rewind(file_);
        return written && ::lseek(descriptor(), 0, SEEK_SET) == 0;
    }
    std::string read()
    {
        std::string bytes;
        char buffer[1 << 14];
        std::rewind(file_);
        for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, file_)) > 0;)
            bytes.append(buffer, count);
        return bytes;
    }

private:
    std::FILE* file_;
};

// Runs a program of the search path with these files for stdin and stdout, without a shell; its exit status, or -1 with errno set.
inline int run_converter(const char* program, int in, int out)
{
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::string name = program;
    char* arguments[] = {name.data(), nullptr};
    pid_t child = 0;
    const int error = ::posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error) {
        errno = error;
        return -1;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif

}  // namespace detail

WEIGHTSCOPE_INLINE png_result to_png(std::string_view svg, const char* program)
{
#if __has_include(<spawn.h>)
    detail::scratch_file in, out;
    if (!in || !out || !in.write(svg))
        return {.fault = fmt::format("a temporary file cannot be written: {}", std::generic_category().message(errno))};
    const int status = detail::run_converter(program, in.descriptor(), out.descriptor());
    if (status == -1 || status == 127)
        return {.fault = fmt::format("{} cannot be run; install it, on Debian and Ubuntu with: apt install librsvg2-bin", program)};
    if (status != 0)
        return {.fault = fmt::format("{} failed with status {}", program, status)};
    png_result result{.bytes = out.read()};
    if (!result.bytes.starts_with("\x89PNG"))
        result = {.fault = fmt::format("{} wrote no PNG", program)};
    return result;
#else
    (void)svg;
    return {.fault = fmt::format("{} cannot be run on this system", program)};
#endif
}

}  // namespace weightscope
