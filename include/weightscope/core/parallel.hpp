#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace weightscope {

/// Runs `f` on `threads` threads: every parallel loop below it uses at most that many.
///
/// @param threads  0 means one per core
/// @return         what `f` returns; an exception thrown by it passes through
template <class F>
decltype(auto) with_threads(std::size_t threads, F&& f)
{
    if (threads == 0) {
        oneapi::tbb::task_arena arena;
        return arena.execute(std::forward<F>(f));
    }
    const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, threads);
    oneapi::tbb::task_arena arena(static_cast<int>(threads));
    return arena.execute(std::forward<F>(f));
}

/// Threads that a parallel loop started here would use.
[[nodiscard]] inline std::size_t concurrency()
{
    return static_cast<std::size_t>(oneapi::tbb::this_task_arena::max_concurrency());
}

/// Calls `body(i)` once for every i in [0, count), in parallel and in no particular order.
/// The first exception stops the loop and is rethrown. Loops may be nested: a thread that waits for an inner loop
/// works on that loop only, so that it never holds two items of the outer one.
template <class Body>
void parallel_for(std::size_t count, Body&& body)
{
    if (count == 1) {
        body(std::size_t{0});
        return;
    }
    oneapi::tbb::this_task_arena::isolate([&] {
        oneapi::tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) { body(i); });
    });
}

/// One value of type T for each thread that asks for one, made by `make()`.
template <class T>
using per_thread = oneapi::tbb::enumerable_thread_specific<T>;

/// Runs `kernel(begin, end)` over [0, count) in chunks of a fixed size, in parallel, and returns the results in the order
/// of the chunks: folded from first to last they give the same bits for any number of threads.
template <class Kernel>
[[nodiscard]] auto map_chunks(std::size_t count, std::size_t chunk, Kernel&& kernel)
{
    using partial = std::invoke_result_t<Kernel&, std::size_t, std::size_t>;
    std::vector<partial> partials((count + chunk - 1) / chunk);
    parallel_for(partials.size(), [&](std::size_t i) {
        const std::size_t begin = i * chunk;
        partials[i] = kernel(begin, count - begin < chunk ? count : begin + chunk);
    });
    return partials;
}

}  // namespace weightscope
