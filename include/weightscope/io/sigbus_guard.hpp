#pragma once

#if __has_include(<sys/mman.h>)

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace weightscope::detail {

// Keeps the process alive when a mapped file turns out to be shorter than it was: see mapped_file.

// One mapping that the handler below looks after. begin is 0 in a free place, 1 in one that is being filled in.
struct guarded_range
{
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<bool> damaged{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

// Global, because a signal handler can reach nothing else.
inline std::array<guarded_range, 1024> guarded_ranges;
inline struct sigaction previous_sigbus_action;

inline bool replace_by_zeros(void* address)
{
    const auto fault = reinterpret_cast<std::uintptr_t>(address);
    for (guarded_range& range : guarded_ranges) {
        const std::uintptr_t begin = range.begin.load();
        if (begin <= 1 || fault < begin || fault >= range.end.load())
            continue;
        // one page and no more: should another thread be reusing this place right now, no sound page is lost
        const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        void* page = reinterpret_cast<void*>(fault - fault % page_bytes);
        if (::mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return false;
        range.damaged.store(true);
        return true;
    }
    return false;
}

inline void on_sigbus(int signal, siginfo_t* info, void* context)
{
    const int saved_errno = errno;
    const bool replaced = replace_by_zeros(info->si_addr);
    errno = saved_errno;
    if (replaced)
        return;
    const struct sigaction& previous = previous_sigbus_action;
    if ((previous.sa_flags & SA_SIGINFO) != 0)
        return previous.sa_sigaction(signal, info, context);
    if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        return previous.sa_handler(signal);
    ::sigaction(signal, &previous, nullptr);  // the faulting instruction runs once more, and meets the default action
    if (previous.sa_handler == SIG_DFL)
        ::raise(signal);  // for a signal that was sent, with no such instruction
}

inline void install_sigbus_handler()
{
    [[maybe_unused]] static const int installed = [] {
        struct sigaction action = {};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        ::sigemptyset(&action.sa_mask);
        return ::sigaction(SIGBUS, &action, &previous_sigbus_action);
    }();
}

// A place in the table for these bytes, or null if it is full.
inline guarded_range* guard(const void* begin, std::size_t bytes)
{
    install_sigbus_handler();
    for (guarded_range& range : guarded_ranges) {
        std::uintptr_t free = 0;
        if (!range.begin.compare_exchange_strong(free, 1))
            continue;
        range.end.store(reinterpret_cast<std::uintptr_t>(begin) + bytes);
        range.damaged.store(false);
        range.begin.store(reinterpret_cast<std::uintptr_t>(begin));
        return &range;
    }
    return nullptr;
}

// Gives the place back, before the bytes are unmapped.
inline void unguard(guarded_range& range)
{
    range.begin.store(0);
}

}  // namespace weightscope::detail

#endif
