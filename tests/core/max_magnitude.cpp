#include <cmath>
#include <span>
#include <vector>

#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/scalars.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEMPLATE_TEST_CASE("the largest magnitude is found at every place, NaN and infinity above all", "", float, double, float16)
{
    for (const std::size_t count : {1, 2, 7, 8, 31, 32, 33, 100}) {
        for (std::size_t place = 0; place < count; ++place) {
            std::vector<TestType> w(count, TestType(-0.5f));
            w[place] = TestType(-3.0f);
            CHECK(detail::max_magnitude(detail::source_of(std::span<const TestType>(w))) == 3);
            w[place] = TestType(INFINITY);
            CHECK(std::isinf(detail::max_magnitude(detail::source_of(std::span<const TestType>(w)))));
            w[count / 2] = TestType(NAN);
            CHECK(std::isnan(detail::max_magnitude(detail::source_of(std::span<const TestType>(w)))));
        }
    }
    const std::vector<TestType> many(300'000, TestType(0.25f));
    CHECK(detail::max_magnitude(detail::source_of(std::span<const TestType>(many))) == 0.25);
    CHECK(detail::max_magnitude(detail::source_of(std::span<const TestType>{})) == 0);
}
