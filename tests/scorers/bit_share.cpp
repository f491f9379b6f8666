// Shares of things from samples of them.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/special.hpp>
#include <weightscope/scorers/bit_share.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// The p at which the observed share is z standard errors away, between `from` and `to`, by bisection.
double score_limit(double share, double n, double z, double inside, double outside)
{
    for (int i = 0; i < 200; ++i) {
        const double p = (inside + outside) / 2;
        (std::fabs(share - p) < z * std::sqrt(p * (1 - p) / n) ? inside : outside) = p;
    }
    return inside;
}

}  // namespace

TEST_CASE("Wilson's limits are where the score test says so")
{
    const double z = inverse_normal_cdf(0.975);
    for (const std::size_t n : {5, 40, 9604})
        for (const std::size_t hits : {std::size_t{1}, n / 3, n - 1}) {
            const share_estimate found = wilson_interval({.sample = n, .hits = hits});
            const double share = static_cast<double>(hits) / static_cast<double>(n);
            CHECK(found.share == share);
            CHECK(found.lower == Approx(score_limit(share, static_cast<double>(n), z, share, 0)).epsilon(1e-10));
            CHECK(found.upper == Approx(score_limit(share, static_cast<double>(n), z, share, 1)).epsilon(1e-10));
        }
    const share_estimate none = wilson_interval({.sample = 10, .hits = 0}), all = wilson_interval({.sample = 10, .hits = 10});
    CHECK(none.lower == 0);
    CHECK(none.upper == Approx(z * z / (10 + z * z)).epsilon(1e-14));
    CHECK(all.upper == 1);
    CHECK(all.lower == Approx(1 - none.upper).epsilon(1e-14));
    CHECK(wilson_interval({.sample = 0}).upper == 1);
}

TEST_CASE("a sample of a finite population says more, and all of it says all")
{
    // 50 of 100 without replacement are worth 50 · 99 / 50 = 99 with it
    const share_estimate finite = wilson_interval({.population = 100, .sample = 50, .hits = 10});
    CHECK(finite.lower == Approx(score_limit(0.2, 99, inverse_normal_cdf(0.975), 0.2, 0)).epsilon(1e-10));
    const share_estimate whole = wilson_interval({.population = 40, .sample = 40, .hits = 10});
    CHECK(whole.lower == 0.25);
    CHECK(whole.upper == 0.25);
    CHECK(wilson_interval({.population = 100, .sample = 50, .hits = 10}, 0.99).lower < finite.lower);
}

TEST_CASE("strata count by their populations")
{
    const counted_sample one = {.population = 300, .sample = 20, .hits = 5};
    const share_estimate alone = stratified_share(std::vector<counted_sample>{one}), same = wilson_interval(one);
    CHECK(alone.share == Approx(same.share).epsilon(1e-14));
    CHECK(alone.lower == Approx(same.lower).epsilon(1e-13));
    CHECK(alone.upper == Approx(same.upper).epsilon(1e-13));
    // 3/4 of the things with share 1/4, 1/4 with share 1, which is known exactly
    const share_estimate two = stratified_share(std::vector<counted_sample>{one, {.population = 100, .sample = 100, .hits = 100}, {.population = 0}});
    CHECK(two.share == Approx(0.75 * 0.25 + 0.25).epsilon(1e-14));
    CHECK(two.upper - two.share == Approx(0.75 * (same.upper - same.share)).epsilon(1e-12));
}

TEST_CASE("sizes of samples are the published ones")
{
    CHECK(failing_share_sample_size(0, 0.01, 0.95) == 9604);
    CHECK(failing_share_sample_size(0, 0.01, 0.99) == 16587);
    CHECK(failing_share_sample_size(1'000'000'000, 0.01, 0.95) == 9604);
    CHECK(failing_share_sample_size(10'000, 0.01, 0.95) == 4899);  // 10000 / (1 + 1e-4 · 9999 / (1.95996² / 4)) = 4899.2
    CHECK(failing_share_sample_size(10, 0.01) == 10);
    CHECK(failing_share_sample_size(1, 0.5) == 1);
}

TEST_CASE("shares that cannot be are told")
{
    CHECK_THROWS_WITH(wilson_interval({.sample = 2, .hits = 3}), "weightscope::wilson_interval(seen, confidence): 3 hits in a sample of 2, expected at most as many");
    CHECK_THROWS_WITH(wilson_interval({.population = 1, .sample = 2}),
                      "weightscope::wilson_interval(seen, confidence): a sample of 2 from 1 things, expected at most as many");
    CHECK_THROWS_WITH(wilson_interval({.sample = 2}, 1), "weightscope::wilson_interval(seen, confidence): confidence is 1, expected above 0 and below 1");
    CHECK_THROWS_WITH(failing_share_sample_size(5, 0),
                      "weightscope::failing_share_sample_size(population, margin, confidence): margin is 0, expected above 0");
}
