#pragma once

#if __has_include(<spawn.h>)

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <weightscope/evaluators/process_error.hpp>
#include <weightscope/io/printable.hpp>

extern char** environ;

namespace weightscope::detail {

// A command with a line for a question and a line for an answer.
class process_channel
{
public:
    process_channel(std::string shell_line, std::filesystem::path error_log) : command_(std::move(shell_line)), error_log_(std::move(error_log))
    {
        int in[2] = {-1, -1}, out[2] = {-1, -1};
        // a socket for its input: writing to a program that has ended must be an error here, not a signal
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, in) != 0 || ::pipe(out) != 0) {
            const int error = errno;
            close_all(in[0], in[1]);
            fail("cannot be started: {}", std::strerror(error));
        }
        for (const int descriptor : {in[0], in[1], out[0], out[1]})
            ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
        const int on = 1;
        ::setsockopt(in[0], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawn_file_actions_adddup2(&actions, in[1], STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, error_log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // so that what it starts can be ended with it
        ::posix_spawnattr_setpgroup(&attributes, 0);
        std::string shell = "sh", option = "-c";
        char* const arguments[] = {shell.data(), option.data(), command_.data(), nullptr};
        const int error = ::posix_spawn(&process_, "/bin/sh", &actions, &attributes, arguments, environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
        close_all(in[1], out[1]);
        to_ = in[0];
        from_ = out[0];
        if (error != 0) {
            process_ = -1;
            close_all(to_, from_);
            fail("cannot be started: {}", std::strerror(error));
        }
    }
    process_channel(const process_channel&) = delete;
    process_channel& operator=(const process_channel&) = delete;
    ~process_channel()
    {
        close_all(to_, -1);  // the end of its input asks it to end
        wait_for_end(0.5);
        end();
        close_all(from_, -1);
    }

    // The program's answer, without the end of the line.
    std::string ask(std::string_view question, double timeout_seconds)
    {
        if (!fault_.empty())
            throw process_error(fault_);
        asked_ = question;
        std::string line(question);
        line += '\n';
        for (std::size_t sent = 0; sent < line.size();) {
            const ssize_t n = ::send(to_, line.data() + sent, line.size() - sent, no_signal);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                fail_at_end();
            sent += static_cast<std::size_t>(n);
        }
        const auto deadline = clock::now() + std::chrono::duration<double>(timeout_seconds);
        for (;;) {
            if (const std::size_t end_of_line = received_.find('\n'); end_of_line != std::string::npos) {
                std::string answer = received_.substr(0, end_of_line);
                received_.erase(0, end_of_line + 1);
                if (!answer.empty() && answer.back() == '\r')
                    answer.pop_back();
                return answer;
            }
            if (received_.size() > longest_answer)
                fail("answered '{}' with more than {} bytes and no end of line", asked_, longest_answer);
            const double left = std::chrono::duration<double>(deadline - clock::now()).count();
            pollfd waiting = {.fd = from_, .events = POLLIN, .revents = 0};
            const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left < 1e6 ? left * 1e3 + 1 : 1e9)) : 0;
            if (ready == 0) {
                end();
                fail("did not answer '{}' within {:g} seconds and was ended; raise the timeout if it needs longer", asked_, timeout_seconds);
            }
            char buffer[4096];
            const ssize_t n = ready < 0 ? -1 : ::read(from_, buffer, sizeof buffer);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                fail_at_end();
            received_.append(buffer, static_cast<std::size_t>(n));
        }
    }

    // Reports an answer that makes no sense.
    [[noreturn]] void refuse(std::string_view answer, std::string_view expected)
    {
        fail("answered '{}' with '{}', expected {}", asked_, printable(answer, 80), expected);
    }

    const std::string& command() const { return command_; }

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t longest_answer = std::size_t{1} << 20;
#ifdef MSG_NOSIGNAL
    static constexpr int no_signal = MSG_NOSIGNAL;
#else
    static constexpr int no_signal = 0;  // SO_NOSIGPIPE does it
#endif

    static void close_all(int a, int b)
    {
        for (const int descriptor : {a, b})
            if (descriptor >= 0)
                ::close(descriptor);
    }

    // True when it has ended, by itself or before.
    bool wait_for_end(double seconds)
    {
        const auto deadline = clock::now() + std::chrono::duration<double>(seconds);
        while (process_ > 0) {
            const pid_t ended = ::waitpid(process_, &status_, WNOHANG);
            if (ended != 0) {
                process_ = -1;
                break;
            }
            if (clock::now() > deadline)
                return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    void end()
    {
        if (process_ <= 0)
            return;
        ::kill(-process_, SIGKILL);
        ::waitpid(process_, &status_, 0);
        process_ = -1;
    }

    [[noreturn]] void fail_at_end()
    {
        if (!wait_for_end(1)) {
            end();
            fail("closed its output instead of answering '{}'", asked_);
        }
        if (WIFSIGNALED(status_))
            fail("was ended by signal {} ({}) instead of answering '{}'", WTERMSIG(status_), ::strsignal(WTERMSIG(status_)), asked_);
        fail("ended with status {} instead of answering '{}'", WEXITSTATUS(status_), asked_);
    }

    template <class... Args>
    [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args)
    {
        fault_ = fmt::format("weightscope: evaluator '{}' {}", printable(command_, 200), fmt::format(message, std::forward<Args>(args)...));
        std::ifstream log(error_log_);
        std::string last;
        for (std::string line; std::getline(log, line);)
            if (!line.empty())
                last = line;
        if (!last.empty())
            fault_ += "; its last words: " + printable(last, 300);
        throw process_error(fault_);
    }

    std::string command_, asked_ = "(start)", received_, fault_;
    std::filesystem::path error_log_;
    pid_t process_ = -1;
    int to_ = -1, from_ = -1, status_ = 0;
};

}  // namespace weightscope::detail

#endif
