#pragma once

#include <cstddef>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void run_in_arena(std::size_t threads, callable_ref<> f)
{
    if (threads == 0) {
        oneapi::tbb::task_arena arena;
        arena.execute([f] { f(); });
    } else {
        const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, threads);
        oneapi::tbb::task_arena arena(static_cast<int>(threads));
        arena.execute([f] { f(); });
    }
}

WEIGHTSCOPE_INLINE void run_loop(std::size_t count, callable_ref<std::size_t> body)
{
    oneapi::tbb::this_task_arena::isolate(
        [&] { oneapi::tbb::parallel_for(std::size_t{0}, count, [body](std::size_t i) { body(i); }); });
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::size_t concurrency()
{
    return static_cast<std::size_t>(oneapi::tbb::this_task_arena::max_concurrency());
}

}  // namespace weightscope
