#include <cmath>

#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("sparsity by hand")
{
    const xt::xtensor<double, 2> w = {{0, 1e-6, -5e-5, 0.01}, {0, 0, 0.5, -2}, {0, 0, 0, 0}};
    const auto r = analyze_sparsity(w);
    REQUIRE(r.sparsity_levels.size() == 4);
    CHECK(r.sparsity_levels[0].count == 7);
    CHECK(r.sparsity_levels[1].count == 8);
    CHECK(r.sparsity_levels[2].count == 9);
    CHECK(r.sparsity_levels[3].count == 10);  // |w| <= t includes t itself
    CHECK(r.sparsity_levels[3].percentage.value == Approx(100 * 10.0 / 12).epsilon(1e-15));
    REQUIRE(r.structured_sparsity);
    CHECK(r.structured_sparsity->dead_rows == 1);
    CHECK(r.structured_sparsity->dead_columns == 2);
    CHECK(r.structured_sparsity->dead_rows_percentage.value == Approx(100.0 / 3).epsilon(1e-15));
    CHECK(r.structured_sparsity->dead_columns_percentage.value == 50);
    CHECK(r.structured_sparsity->two_of_four_percentage.value == Approx(200.0 / 3).epsilon(1e-15));
    CHECK(r.structured_sparsity->four_of_eight_percentage.reason == "rows shorter than 8");
    CHECK(r.mean_abs_weight.value == Approx((1e-6 + 5e-5 + 0.01 + 2.5) / 12).epsilon(1e-15));
    CHECK(r.median_abs_weight.value == 0);
    CHECK(r.magnitude_percentiles[4].percent == 90);
    // rank 11 * 0.9 = 9.9 between 0.01 and 0.5
    CHECK(r.magnitude_percentiles[4].value.value == Approx(0.5 - 0.49 * 0.1).epsilon(1e-15));
}

TEST_CASE("a vector has no rows")
{
    const xt::xtensor<float, 1> w = {0, 1};
    CHECK_FALSE(analyze_sparsity(w).structured_sparsity);
    CHECK(analyze_sparsity(w, {.thresholds = {0.5}}).sparsity_levels[0].percentage.value == 50);
}

TEST_CASE("sparsity of nothing is missing, not zero")
{
    const xt::xtensor<float, 2> empty = xt::empty<float>({0, 7});
    const auto r = analyze_sparsity(empty);
    CHECK(r.sparsity_levels[0].percentage.reason == "no entries");
    CHECK(r.median_abs_weight.reason == "no entries");
    CHECK(r.structured_sparsity->dead_rows_percentage.reason == "no rows");
    const xt::xtensor<float, 1> nan = {NAN};
    CHECK(analyze_sparsity(nan).mean_abs_weight.reason == "no finite entries");
}

TEST_CASE("a negative threshold is refused")
{
    const xt::xtensor<float, 1> w = {0, 1};
    CHECK_THROWS_WITH(analyze_sparsity(w, {.thresholds = {0, -1}}),
                      "weightscope::analyze_sparsity(weights, options): options.thresholds has -1, expected 0 or more");
}
