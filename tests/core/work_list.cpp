#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/work_list.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("a list of work is done from the most expensive on and told to the callback")
{
    detail::work_list work;
    work.add(7, "small", {.cost = 1});
    work.add(3, "large", {.cost = 3});
    std::vector<std::size_t> done;
    std::vector<std::string> told;
    double fraction = 0;
    with_threads(1, [&] {
        work.run(
            [&](const progress& state) {
                told.push_back(std::string(state.name) + " " + std::to_string(state.done) + "/" + std::to_string(state.total));
                fraction = state.fraction;
                return true;
            },
            [&](std::size_t i) { done.push_back(i); });
    });
    CHECK(done == std::vector<std::size_t>{3, 7});
    REQUIRE_FALSE(told.empty());
    CHECK(told.front() == "large 0/2");
    CHECK(told.back() == "small 2/2");
    CHECK(fraction == 1);
}

TEST_CASE("a list of work stops where the callback says so or the work fails")
{
    detail::work_list work;
    for (std::size_t i = 0; i < 10; ++i)
        work.add(i, "w", {.cost = 1});
    std::size_t count = 0;
    std::mutex mutex;
    const auto counted = [&](std::size_t) {
        const std::lock_guard lock(mutex);
        ++count;
    };
    CHECK_THROWS_AS(work.run([](const progress&) { return false; }, counted), cancelled);
    CHECK(count < 10);
    CHECK_THROWS_AS(work.run({}, [](std::size_t) { throw std::runtime_error("x"); }), std::runtime_error);
    count = 0;
    work.run({}, counted);
    CHECK(count == 10);
    detail::work_list().run({}, counted);
    CHECK(count == 10);
}
