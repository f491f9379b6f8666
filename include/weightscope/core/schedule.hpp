#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

/// One of many pieces of work.
struct scheduled_work
{
    double cost = 0;     // any unit
    bool alone = false;  // keeps all threads busy by itself, and would want too much memory twice
};

/// Calls `run(i)` once for every piece of work, the most expensive first, so that none is left over for one thread at the end.
///
/// What is to run alone has all threads to itself, those of the BLAS included; the others share them out, one piece a thread and a
/// BLAS of one thread. A thread that finds no piece left helps with the loops inside those at work. The first exception stops the
/// work that has not begun.
template <class Run>
void run_by_cost(std::span<const scheduled_work> work, Run&& run)
{
    std::vector<std::size_t> order(work.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return work[a].cost > work[b].cost; });
    const auto shared = std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return work[i].alone; });
    {
        const blas_threads many(concurrency());
        std::for_each(order.begin(), shared, run);
    }
    const blas_threads one(1);
    const std::span<const std::size_t> rest(shared, order.end());
    std::atomic<std::size_t> next = 0;
    parallel_for(concurrency(), [&](std::size_t) {
        for (std::size_t i = next++; i < rest.size(); i = next++)
            run(rest[i]);
    });
}

}  // namespace weightscope::detail
