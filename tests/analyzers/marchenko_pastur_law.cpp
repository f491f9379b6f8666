#include <cmath>
#include <numbers>

#include <weightscope/analyzers/marchenko_pastur_law.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("the Marchenko-Pastur law is the integral of its density, and its quantile the inverse")
{
    for (const double ratio : {0.01, 0.25, 0.7, 1.0}) {
        const marchenko_pastur_law law(ratio);
        INFO("ratio " << ratio);
        CHECK(law.min() == Approx(std::pow(1 - std::sqrt(ratio), 2)).margin(1e-15));
        CHECK(law.max() == Approx(std::pow(1 + std::sqrt(ratio), 2)));
        CHECK(law.cdf(law.min()) == 0);
        CHECK(law.cdf(law.max()) == 1);
        // the midpoint rule in √x, which takes the density's poles and kinks away at both ends
        constexpr int steps = 200'000;
        const double low = std::sqrt(law.min()), high = std::sqrt(law.max());
        double integral = 0, first_moment = 0;
        for (int k = 0; k < steps; ++k) {
            const double y = low + (high - low) * (k + 0.5) / steps, x = y * y;
            const double mass = std::sqrt((law.max() - x) * (x - law.min())) / (2 * std::numbers::pi * ratio * x) * 2 * y * (high - low) / steps;
            if (k % 20'000 == 10'000)
                CHECK(law.cdf(x) == Approx(integral + mass / 2).margin(2e-7));  // the rule's error at a square-root end
            integral += mass;
            first_moment += x * mass;
        }
        CHECK(integral == Approx(1).margin(1e-6));
        CHECK(first_moment == Approx(1).margin(1e-6));
        for (const double p : {0.001, 0.25, 0.5, 0.9, 0.999})
            CHECK(law.cdf(law.quantile(p)) == Approx(p).epsilon(1e-9));
    }
    CHECK_THROWS_WITH(marchenko_pastur_law(1.5), "weightscope::marchenko_pastur_law(ratio): ratio is 1.5, expected above 0 and at most 1");
    CHECK_THROWS_WITH(marchenko_pastur_law(0), "weightscope::marchenko_pastur_law(ratio): ratio is 0, expected above 0 and at most 1");
}
