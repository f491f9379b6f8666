#include <weightscope/core/value_multiset.hpp>

#include "../catch.hpp"

using namespace weightscope::detail;

TEST_CASE("order statistics and counts of a multiset by hand")
{
    const value_multiset values({{-2, 3}, {0, 1}, {1.5, 2}});
    CHECK(values.total() == 6);
    CHECK(values.kth(0) == -2);
    CHECK(values.kth(2) == -2);
    CHECK(values.kth(3) == 0);
    CHECK(values.kth(5) == 1.5);
    CHECK(values.count_below(-2) == 0);
    CHECK(values.count_at_most(-2) == 3);
    CHECK(values.count_below(1) == 4);
    CHECK(values.count_at_most(9) == 6);
    CHECK(value_multiset().total() == 0);
    CHECK(value_multiset().count_at_most(1) == 0);
}

TEST_CASE("magnitudes ascend from zero outwards")
{
    const auto magnitudes = magnitudes_of({{-3, 1}, {-1, 2}, {0, 4}, {1, 5}, {2, 6}});
    const value_multiset m(magnitudes);
    CHECK(m.total() == 18);
    CHECK(m.kth(3) == 0);
    CHECK(m.kth(4) == 1);
    CHECK(m.kth(10) == 1);
    CHECK(m.kth(11) == 2);
    CHECK(m.kth(17) == 3);
    CHECK(magnitudes_of({}).empty());
}
