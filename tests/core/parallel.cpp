#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("a parallel loop calls its body once for every index")
{
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
        std::vector<std::atomic<int>> calls(count);
        parallel_for(count, [&](std::size_t i) { ++calls[i]; });
        for (const auto& n : calls)
            CHECK(n == 1);
    }
}

TEST_CASE("an exception of the body leaves the loop")
{
    CHECK_THROWS_WITH(parallel_for(100, [](std::size_t i) {
                          if (i == 57)
                              throw std::runtime_error("57");
                      }),
                      "57");
}

TEST_CASE("chunks cover the range in order, whatever the number of threads")
{
    for (const std::size_t threads : {1, 2, 3}) {
        const auto sums = with_threads(threads, [] {
            return map_chunks(1003, 100, [](std::size_t begin, std::size_t end) {
                std::size_t sum = 0;
                for (std::size_t i = begin; i < end; ++i)
                    sum += i;
                return sum;
            });
        });
        REQUIRE(sums.size() == 11);
        CHECK(sums[0] == 4950);
        CHECK(sums[10] == 1000 + 1001 + 1002);
        CHECK(std::accumulate(sums.begin(), sums.end(), std::size_t{0}) == 1002 * 1003 / 2);
    }
    CHECK(map_chunks(0, 100, [](std::size_t, std::size_t) { return 1; }).empty());
}

TEST_CASE("the number of threads is the one that was asked for")
{
    for (const std::size_t threads : {1, 2, 3})
        CHECK(with_threads(threads, [] { return concurrency(); }) == threads);
    CHECK(with_threads(0, [] { return concurrency(); }) >= 1);
}

TEST_CASE("a thread that waits for an inner loop does not begin another item of the outer one")
{
    // each thread may be in one outer item at a time
    detail::per_thread<int> depth([] { return 0; });
    std::atomic<bool> nested = false;
    with_threads(2, [&] {
        parallel_for(16, [&](std::size_t) {
            if (++depth.local() > 1)
                nested = true;
            parallel_for(64, [](std::size_t) {});
            --depth.local();
        });
    });
    CHECK_FALSE(nested);
}
