#include "terminal.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <weightscope/io/printable.hpp>

#include "command.hpp"

namespace {

std::atomic<bool> line_open = false;
std::atomic<bool> held = false;
std::atomic<int> pending_signal = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// Only what is safe in a signal handler. Nothing is half-written outside interrupts_held, so there is nothing to clean up.
[[noreturn]] void leave(int signal)
{
    const std::string_view text = signal == SIGINT ? "\nweightscope: interrupted\n" : "\nweightscope: terminated\n";
    const std::string_view line = line_open ? text : text.substr(1);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    ::_exit(exit_status::signalled + signal);
}

void on_signal(int signal)
{
    if (!held)
        leave(signal);
    pending_signal = signal;
}

}  // namespace

void prepare_process()
{
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(descriptor, F_GETFD) == -1 && errno == EBADF && ::open("/dev/null", O_RDWR) != descriptor)
            std::abort();  // unheard of: the lowest number that is free is taken, which is this one
    for (const int signal : {SIGPIPE, SIGXFSZ})  // the write that was too much fails, and that is told
        std::signal(signal, SIG_IGN);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action = {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler == SIG_IGN)  // as a shell starts jobs in the background
            continue;
        action = {};
        action.sa_handler = on_signal;
        action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);  // the second one ends the program at once
        ::sigaction(signal, &action, nullptr);
    }
}

bool is_terminal(std::FILE* stream)
{
    return ::isatty(::fileno(stream)) == 1;
}

std::size_t terminal_width()
{
    std::size_t width = 0;
    if (const char* columns = std::getenv("COLUMNS"))
        std::from_chars(columns, columns + std::strlen(columns), width);
    winsize size = {};
    for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO})
        if (width == 0 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0)
            width = size.ws_col;
    return std::max<std::size_t>(40, width == 0 ? 100 : width);
}

bool wants_color()
{
    const char* none = std::getenv("NO_COLOR");
    const char* kind = std::getenv("TERM");
    return is_terminal(stdout) && (none == nullptr || *none == '\0') && kind != nullptr
           && std::string_view(kind) != "dumb";
}

int write_now(std::FILE* stream, std::string_view text)
{
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0)
        return 0;
    return errno == EPIPE ? 0 : errno;
}

void print_error(std::string_view message)
{
    constexpr std::size_t longest = 4000;
    (void)write_now(stderr, fmt::format("weightscope: error: {}\n", weightscope::printable(message, longest)));
}

void print_warning(std::string_view message)
{
    constexpr std::size_t longest = 4000;
    (void)write_now(stderr, fmt::format("weightscope: warning: {}\n", weightscope::printable(message, longest)));
}

void set_line_open(bool open)
{
    line_open = open;
}

interrupts_held::interrupts_held()
{
    held = true;
}

interrupts_held::~interrupts_held()
{
    held = false;
    if (const int signal = pending_signal)
        leave(signal);
}
