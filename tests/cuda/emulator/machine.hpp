#pragma once
// Runs grids: the threads of a block are fibers, which take turns where they wait for each other. Threads of the host that use the device at
// the same time take turns as well.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include "context.hpp"
#include "types.hpp"

namespace emulator {

enum class order
{
    forward,
    backward,
    shuffled,
};

struct fiber
{
    enum class state
    {
        ready,
        at_barrier,
        at_exchange,
        done,
    };
    stack_context context = {};
    std::byte* stack = nullptr;
    void* fake_stack = nullptr;
    state now = state::done;
    dim3 thread = {};
    unsigned lane = 0, warp = 0;
    int line = 0;          // of the barrier or exchange it waits at
    unsigned mask = 0;     // of the exchange
};

struct warp_exchange
{
    std::uint64_t given[32] = {}, taken[32] = {};
};

inline constexpr std::size_t stack_bytes = std::size_t{1} << 17, unasked_shared_bytes = 48 * 1024;

struct machine
{
    // of the emulated device, and how tests want it
    int multiprocessors = 3;
    int shared_bytes_per_block = 227 * 1024;
    int threads_per_block = 128;
    int devices = 1;
    order fibers = order::forward;
    std::size_t fail_allocation_after = static_cast<std::size_t>(-1);  // so many more succeed
    std::size_t memory_bytes = static_cast<std::size_t>(-1);           // an allocation that would go beyond fails
    // what happened
    std::string fault = {};
    std::size_t launches = 0, waits = 0, live_allocations = 0, live_bytes = 0;
    static inline thread_local cudaError_t last = cudaSuccess;  // each thread of the host has its own
    std::recursive_mutex turn = {};                             // of the threads of the host

    // of the running block
    std::vector<fiber> threads = {};
    std::vector<warp_exchange> warps = {};
    std::vector<std::byte> shared = {};
    std::function<void()> body = {};
    stack_context scheduler = {};
    void* scheduler_fake_stack = nullptr;
    const void* scheduler_stack = nullptr;
    std::size_t scheduler_stack_size = 0;
    fiber* current = nullptr;

    std::map<const std::byte*, std::size_t> allocations = {};
    std::map<const std::byte*, std::size_t> pinned = {};
    std::map<const void*, int> shared_limits = {};
};

inline machine& the()
{
    static machine instance;
    return instance;
}

using turn_guard = std::lock_guard<std::recursive_mutex>;

inline cudaError_t failed(cudaError_t error, const std::string& fault)
{
    the().last = error;
    if (the().fault.empty())
        the().fault = fault;
    return error;
}

inline void yield_to_scheduler(bool finished)
{
    machine& m = the();
    fiber& self = *m.current;
    before_switch(finished ? nullptr : &self.fake_stack, m.scheduler_stack, m.scheduler_stack_size);
    switch_context(self.context, m.scheduler);
    after_switch(self.fake_stack, &m.scheduler_stack, &m.scheduler_stack_size);
}

inline void fiber_main()
{
    machine& m = the();
    after_switch(nullptr, &m.scheduler_stack, &m.scheduler_stack_size);
    m.body();
    m.current->now = fiber::state::done;
    yield_to_scheduler(true);
}

inline void barrier(int line)
{
    fiber& self = *the().current;
    self.now = fiber::state::at_barrier;
    self.line = line;
    yield_to_scheduler(false);
}

// Gives a word to the other lanes of `mask` and returns what all of them gave.
inline const std::uint64_t* exchange(unsigned mask, std::uint64_t word, int line)
{
    machine& m = the();
    fiber& self = *m.current;
    m.warps[self.warp].given[self.lane] = word;
    self.now = fiber::state::at_exchange;
    self.line = line;
    self.mask = mask;
    yield_to_scheduler(false);
    return m.warps[self.warp].taken;
}

inline std::string name_of(const fiber& f)
{
    return "thread " + std::to_string(f.thread.x) + " of block " + std::to_string(blockIdx.x);
}

// Lets those go on whose barrier or exchange is complete. True if anybody did.
inline bool release()
{
    machine& m = the();
    bool any = false;
    for (std::size_t w = 0; w < m.warps.size(); ++w) {
        const std::size_t begin = 32 * w, end = std::min(begin + 32, m.threads.size());
        for (std::size_t i = begin; i < end; ++i) {
            const fiber& first = m.threads[i];
            if (first.now != fiber::state::at_exchange)
                continue;
            bool complete = (first.mask >> first.lane & 1u) != 0;
            for (unsigned lane = 0; lane < 32 && complete; ++lane)
                if (first.mask >> lane & 1u) {
                    complete = begin + lane < end;
                    if (complete) {
                        const fiber& other = m.threads[begin + lane];
                        complete = other.now == fiber::state::at_exchange && other.line == first.line && other.mask == first.mask;
                    }
                }
            if (!complete)
                continue;
            const unsigned mask = first.mask;
            for (unsigned lane = 0; lane < 32; ++lane)
                if (mask >> lane & 1u) {
                    m.warps[w].taken[lane] = m.warps[w].given[lane];
                    m.threads[begin + lane].now = fiber::state::ready;
                }
            any = true;
        }
    }
    if (any)
        return true;
    int line = 0;
    for (const fiber& f : m.threads) {
        if (f.now != fiber::state::at_barrier || (line != 0 && f.line != line))
            return false;
        line = f.line;
    }
    for (fiber& f : m.threads)
        f.now = fiber::state::ready;
    return true;
}

inline void run_fiber(fiber& f)
{
    machine& m = the();
    m.current = &f;
    threadIdx = f.thread;
    before_switch(&m.scheduler_fake_stack, f.stack, stack_bytes);
    switch_context(m.scheduler, f.context);
    after_switch(m.scheduler_fake_stack, nullptr, nullptr);
    m.current = nullptr;
}

inline std::byte* fiber_stack(std::size_t i)
{
    static std::vector<std::byte*> stacks;
    while (stacks.size() <= i) {
        void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            std::abort();
        stacks.push_back(static_cast<std::byte*>(memory));
    }
    return stacks[i];
}

inline bool run_block(std::size_t shared_bytes)
{
    machine& m = the();
    const std::size_t count = std::size_t{blockDim.x} * blockDim.y * blockDim.z;
    m.shared.assign(shared_bytes, std::byte{0xa5});
    m.shared.shrink_to_fit();
    m.threads.assign(count, {});
    m.warps.assign((count + 31) / 32, {});
    std::vector<std::size_t> turn(count);
    for (std::size_t i = 0; i < count; ++i) {
        fiber& f = m.threads[i];
        f.stack = fiber_stack(i);
#if defined(__SANITIZE_ADDRESS__)
        ASAN_UNPOISON_MEMORY_REGION(f.stack, stack_bytes);  // what the fiber before left there
#endif
        f.thread = dim3(static_cast<unsigned>(i) % blockDim.x, static_cast<unsigned>(i) / blockDim.x % blockDim.y,
                        static_cast<unsigned>(i) / blockDim.x / blockDim.y);
        f.lane = static_cast<unsigned>(i) % 32;
        f.warp = static_cast<unsigned>(i) / 32;
        f.now = fiber::state::ready;
        make_context(f.context, f.stack, stack_bytes, fiber_main);
        turn[i] = m.fibers == order::backward ? count - 1 - i : i;
    }
    std::uint32_t random = 12345 + blockIdx.x;
    if (m.fibers == order::shuffled)
        for (std::size_t i = count; i > 1; --i) {
            random = random * 1664525u + 1013904223u;
            std::swap(turn[i - 1], turn[random % i]);
        }
    for (;;) {
        for (const std::size_t i : turn)
            if (m.threads[i].now == fiber::state::ready)
                run_fiber(m.threads[i]);
        if (std::all_of(m.threads.begin(), m.threads.end(), [](const fiber& f) { return f.now == fiber::state::done; }))
            return true;
        if (release())
            continue;
        std::string fault = "a barrier or an exchange is never complete:";
        std::map<std::string, const fiber*> kinds;
        for (const fiber& f : m.threads)
            kinds.try_emplace(f.now == fiber::state::done         ? " has ended;"
                              : f.now == fiber::state::at_barrier ? " waits at the barrier of line " + std::to_string(f.line) + ";"
                                                                  : " waits at the exchange of line " + std::to_string(f.line) + ";",
                              &f);
        for (const auto& [what, f] : kinds)
            fault += " " + name_of(*f) + what;
        failed(cudaErrorLaunchFailure, fault);
        return false;  // the other fibers are given up where they stand
    }
}

inline void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> body)
{
    machine& m = the();
    if (!m.fault.empty())
        return;
    m.body = std::move(body);
    blockDim = block;
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; ++z)
        for (unsigned y = 0; y < grid.y; ++y)
            for (unsigned x = 0; x < grid.x; ++x) {
                blockIdx = dim3(x, y, z);
                if (!run_block(shared_bytes))
                    return;
            }
    m.body = {};
    m.threads.clear();
}

// Whether `bytes` from `p` on lie within one allocation.
inline bool within(const std::map<const std::byte*, std::size_t>& allocations, const void* p, std::size_t bytes)
{
    const auto* at = static_cast<const std::byte*>(p);
    auto next = allocations.upper_bound(at);
    if (next == allocations.begin())
        return false;
    --next;
    return at + bytes <= next->first + next->second;
}

inline bool touches_device(const void* p)
{
    return within(the().allocations, p, 0);
}

}  // namespace emulator
