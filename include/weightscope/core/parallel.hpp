#pragma once

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

namespace detail {

// A callable that is referred to, whatever its type: what runs it is compiled once.
template <class... Arguments>
class callable_ref
{
public:
    template <class F>
    explicit callable_ref(F& f)
        : object_(const_cast<void*>(static_cast<const void*>(&f))),
          call_([](void* object, Arguments... arguments) { (*static_cast<F*>(object))(arguments...); })
    {
    }

    void operator()(Arguments... arguments) const { call_(object_, arguments...); }

private:
    void* object_;
    void (*call_)(void*, Arguments...);
};

WEIGHTSCOPE_INLINE void run_in_arena(std::size_t threads, callable_ref<> f);
WEIGHTSCOPE_INLINE void run_loop(std::size_t count, callable_ref<std::size_t> body);

}  // namespace detail

/// Runs `f` on `threads` threads: every parallel loop below it uses at most that many.
///
/// @param threads  0 means one per core
/// @return         what `f` returns; an exception thrown by it passes through
template <class F>
std::invoke_result_t<F&> with_threads(std::size_t threads, F&& f)
{
    using result = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<result>) {
        detail::run_in_arena(threads, detail::callable_ref<>(f));
    } else {
        std::optional<result> value;
        const auto keep = [&] { value.emplace(f()); };
        detail::run_in_arena(threads, detail::callable_ref<>(keep));
        return *std::move(value);
    }
}

/// Threads that a parallel loop started here would use.
[[nodiscard]] WEIGHTSCOPE_INLINE std::size_t concurrency();

/// Calls `body(i)` once for every i in [0, count), in parallel and in no particular order.
/// The first exception stops the loop and is rethrown. Loops may be nested: a thread that waits for an inner loop
/// works on that loop only, so that it never holds two items of the outer one.
template <class Body>
void parallel_for(std::size_t count, Body&& body)
{
    if (count == 1)
        body(std::size_t{0});
    else
        detail::run_loop(count, detail::callable_ref<std::size_t>(body));
}

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/parallel.hpp>
#endif
