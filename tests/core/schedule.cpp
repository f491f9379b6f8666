#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/schedule.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

struct record
{
    std::vector<std::size_t> begun;
    std::size_t most_at_once = 0, most_beside_alone = 0;
};

record run(const std::vector<detail::scheduled_work>& work, std::size_t threads)
{
    record result;
    std::mutex mutex;
    std::size_t at_once = 0;
    bool alone_at_work = false;
    with_threads(threads, [&] {
        detail::run_by_cost(work, [&](std::size_t i) {
            {
                const std::lock_guard lock(mutex);
                result.begun.push_back(i);
                ++at_once;
                alone_at_work |= work[i].alone;
                result.most_at_once = std::max(result.most_at_once, at_once);
                if (alone_at_work)
                    result.most_beside_alone = std::max(result.most_beside_alone, at_once);
            }
            std::atomic<double> sum = 0;
            for (int k = 0; k < 20'000; ++k)
                sum = sum + k;
            const std::lock_guard lock(mutex);
            --at_once;
            alone_at_work = alone_at_work && !work[i].alone;
        });
    });
    return result;
}

}  // namespace

TEST_CASE("what is to run alone comes first and runs alone, the rest from the most expensive on")
{
    const std::vector<detail::scheduled_work> work = {{1}, {5}, {3, true}, {2}, {9, true}, {5}};
    CHECK(run(work, 1).begun == std::vector<std::size_t>{4, 2, 1, 5, 3, 0});
    for (const std::size_t threads : {2, 4}) {
        record r = run(work, threads);
        CHECK(r.most_beside_alone == 1);
        CHECK(r.most_at_once <= threads);
        CHECK(std::vector<std::size_t>(r.begun.begin(), r.begun.begin() + 2) == std::vector<std::size_t>{4, 2});
        std::sort(r.begun.begin(), r.begun.end());
        CHECK(r.begun == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
    }
}

TEST_CASE("each of many pieces of work is done once, by any number of threads")
{
    std::vector<detail::scheduled_work> work(1000);
    for (std::size_t i = 0; i < work.size(); ++i)
        work[i].cost = static_cast<double>(i * 7919 % 1000);
    for (const std::size_t threads : {1, 3}) {
        auto begun = run(work, threads).begun;
        std::sort(begun.begin(), begun.end());
        REQUIRE(begun.size() == 1000);
        CHECK(std::adjacent_find(begun.begin(), begun.end()) == begun.end());
    }
    CHECK(run({}, 2).begun.empty());
}

TEST_CASE("an exception stops the work that has not begun and passes through")
{
    const std::vector<detail::scheduled_work> work(100'000);
    std::atomic<std::size_t> begun = 0;
    CHECK_THROWS_WITH(detail::run_by_cost(work,
                                          [&](std::size_t) {
                                              if (++begun >= 3)
                                                  throw std::runtime_error("enough");
                                          }),
                      "enough");
    CHECK(begun < 1000);
}
