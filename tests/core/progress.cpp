#include <string>
#include <vector>

#include <weightscope/core/progress.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("progress tells the share of the cost, not of the items")
{
    std::vector<double> fractions;
    std::vector<std::string> names;
    progress_reporter reporter(
        [&](const progress& p) {
            fractions.push_back(p.fraction);
            names.emplace_back(p.name);
            CHECK(p.total == 2);
            CHECK(p.seconds_left >= 0);
            return true;
        },
        2, 10);
    reporter.begun("a");
    reporter.finished("a", 9);
    reporter.begun("b");
    reporter.finished("b", 1);
    CHECK(fractions == std::vector<double>{0, 0.9, 0.9, 1});
    CHECK(names == std::vector<std::string>{"a", "a", "b", "b"});
}

TEST_CASE("a callback that returns false cancels, and every later report throws as well")
{
    int calls = 0;
    progress_reporter reporter([&](const progress&) { return ++calls < 2; }, 3, 3);
    reporter.finished("a", 1);
    CHECK_THROWS_AS(reporter.finished("b", 1), cancelled);
    CHECK_THROWS_AS(reporter.begun("c"), cancelled);
    CHECK(calls == 2);
    CHECK(std::string(cancelled().what()) == "weightscope: cancelled");
}

TEST_CASE("progress needs no callback")
{
    progress_reporter reporter({}, 1, 1);
    CHECK_NOTHROW(reporter.finished("a", 1));
}
