#include <cmath>

#include <weightscope/analyzers/outliers.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("each method finds the planted outliers by hand")
{
    // 1..9 and 100, -50: median 5, quartiles 2.5 and 7.5 of the eleven values, MAD 3
    const xt::xtensor<double, 1> w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 100, -50};
    const auto iqr = detect_outliers(w);
    CHECK(iqr.lower_fence == -5);
    CHECK(iqr.upper_fence == 15);
    CHECK(iqr.outlier_count == 2);
    CHECK(iqr.outlier_percentage.value == Approx(200.0 / 11).epsilon(1e-15));
    CHECK(iqr.max_outlier.value == 100);
    CHECK(iqr.min_outlier.value == -50);

    const auto mad = detect_outliers(w, {.method = outlier_method::mad});
    CHECK(mad.spread.value == Approx(1.4826 * 3).epsilon(1e-15));
    CHECK(mad.outlier_count == 2);

    // mean 95/11 and std 35: the outliers hide each other from the z-score
    const auto zscore = detect_outliers(w, {.method = outlier_method::zscore});
    CHECK(zscore.centre.value == Approx(95.0 / 11).epsilon(1e-15));
    CHECK(zscore.outlier_count == 0);
    CHECK(zscore.max_outlier.reason == "no outliers");
    CHECK(detect_outliers(w, {.method = outlier_method::zscore, .threshold = 1.5}).outlier_count == 2);
}

TEST_CASE("a spread of zero calls nothing an outlier")
{
    const xt::xtensor<float, 1> w = {1, 1, 1, 1, 1, 1, 9};
    CHECK(detect_outliers(w).outlier_count == 0);
    CHECK(detect_outliers(w).spread.reason == "no spread: half of the entries or more are equal");
    CHECK(detect_outliers(w, {.method = outlier_method::mad}).outlier_count == 0);
    const xt::xtensor<float, 1> constant = {2, 2};
    CHECK(detect_outliers(constant, {.method = outlier_method::zscore}).outlier_count == 0);
}

TEST_CASE("entries that are not finite are no outliers and do not move the fences")
{
    const xt::xtensor<float, 1> w = {1, 2, 3, 4, 5, NAN, INFINITY, 60};
    const xt::xtensor<float, 1> finite = {1, 2, 3, 4, 5, 60};
    for (const auto method : {outlier_method::iqr, outlier_method::zscore, outlier_method::mad}) {
        const auto a = detect_outliers(w, {.method = method}), b = detect_outliers(finite, {.method = method});
        CHECK(a.outlier_count == b.outlier_count);
        CHECK(a.lower_fence == b.lower_fence);
        CHECK(a.upper_fence == b.upper_fence);
    }
}

TEST_CASE("the median deviation is exact for tensors of any size")
{
    const auto w = random_normal<float>({300, 200}, {.seed = 1, .mean = 5, .std = 2});
    const auto r = detect_outliers(w, {.method = outlier_method::mad});
    CHECK(r.spread.value == Approx(2).epsilon(0.02));
    CHECK(r.outlier_percentage.value == Approx(100 * 4.65e-4).epsilon(0.5));  // P(|x| > 3.5 sigma)
}

TEST_CASE("outliers of nothing are missing; a negative threshold is refused")
{
    CHECK(detect_outliers(xt::xtensor<float, 1>(xt::empty<float>({0}))).outlier_percentage.reason == "no entries");
    const xt::xtensor<float, 1> w = {1};
    CHECK_THROWS_WITH(detect_outliers(w, {.threshold = -1}),
                      "weightscope::detect_outliers(weights, options): options.threshold is -1, expected 0 (the method's default) or more");
}
