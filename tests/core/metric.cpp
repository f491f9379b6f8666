#include <cmath>

#include <weightscope/core/metric.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("a metric is a number or a reason")
{
    CHECK(metric(2.5).exists());
    CHECK(metric(2.5).value == 2.5);
    CHECK(metric(2.5).reason.empty());
    const metric none = metric::missing("all zero");
    CHECK_FALSE(none.exists());
    CHECK(std::isnan(none.value));
    CHECK(none.reason == "all zero");
    CHECK(metric().reason == "not computed");
}

TEST_CASE("what is not finite is no number")
{
    for (const double x : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
        CHECK_FALSE(metric(x).exists());
        CHECK(std::isnan(metric(x).value));
        CHECK(metric(x).reason == "not finite");
    }
}
