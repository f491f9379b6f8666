#include <cmath>
#include <vector>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("basic statistics of 1, 2, 3, 6 by hand")
{
    // mean 3; deviations -2, -1, 0, 3: squares 14, cubes 18, fourth powers 98
    const xt::xtensor<float, 1> w = {1, 2, 3, 6};
    const auto r = analyze_basic_stats(w);
    CHECK(r.mean.value == 3);
    CHECK(r.std.value == Approx(std::sqrt(14.0 / 3)).epsilon(1e-15));
    CHECK(r.min.value == 1);
    CHECK(r.max.value == 6);
    CHECK(r.l2_norm.value == Approx(std::sqrt(50.0)).epsilon(1e-15));
    CHECK(r.skewness.value == Approx(4.5 / std::pow(3.5, 1.5)).epsilon(1e-15));
    CHECK(r.kurtosis.value == Approx(24.5 / (3.5 * 3.5) - 3).epsilon(1e-14));
    CHECK(r.zeros_percentage.value == 0);
    CHECK(r.census.count == 4);
}

TEST_CASE("basic statistics are those of the finite entries")
{
    const xt::xtensor<float, 1> w = {NAN, 1, INFINITY, -0.0f, -INFINITY, 3, NAN};
    const auto r = analyze_basic_stats(w);
    CHECK(r.census.nan_count == 2);
    CHECK(r.census.positive_infinity_count == 1);
    CHECK(r.census.negative_infinity_count == 1);
    CHECK(r.census.negative_zero_count == 1);
    CHECK(r.census.finite_count() == 3);
    CHECK(r.mean.value == Approx(4.0 / 3).epsilon(1e-15));
    CHECK(r.zeros_percentage.value == Approx(100.0 / 3).epsilon(1e-15));
}

TEST_CASE("a LayerNorm gain near 1 keeps every digit of its deviation")
{
    // 1 + k 2^-20 for k = 0..3, many times over: std = 2^-20 sqrt(5/4) and a little
    xt::xtensor<float, 1> w = xt::empty<float>({40000});
    for (std::size_t i = 0; i < w.size(); ++i)
        w(i) = 1 + static_cast<float>(i % 4) * 0x1p-20f;
    const double n = 40000;
    CHECK(analyze_basic_stats(w).std.value == Approx(0x1p-20 * std::sqrt(1.25 * n / (n - 1))).epsilon(1e-9));
    CHECK(analyze_basic_stats(w).mean.value == Approx(1 + 1.5 * 0x1p-20).epsilon(1e-15));
}

TEST_CASE("the mean of 2^24 + 1 tenths is a tenth")
{
    const xt::xtensor<float, 1> w = 0.1f * xt::ones<float>({(1u << 24) + 1});
    CHECK(analyze_basic_stats(w).mean.value == Approx(static_cast<double>(0.1f)).epsilon(1e-15));
    CHECK(analyze_basic_stats(w).std.value == 0);
}

TEST_CASE("a statistic that does not exist says why")
{
    const auto reason = [](const xt::xtensor<float, 1>& w) { return analyze_basic_stats(w).std.reason; };
    CHECK(reason({5}) == "one entry");
    CHECK(reason(xt::xtensor<float, 1>(xt::empty<float>({0}))) == "no entries");
    CHECK(reason({NAN, INFINITY}) == "no finite entries");
    const xt::xtensor<float, 1> constant = {2, 2, 2};
    CHECK(analyze_basic_stats(constant).std.value == 0);
    CHECK(analyze_basic_stats(constant).kurtosis.reason == "constant");
    const xt::xtensor<double, 1> tiny = {1e-200, 3e-200};
    CHECK(analyze_basic_stats(tiny).std.reason == "squares underflow in double");
    CHECK(analyze_basic_stats(tiny).l2_norm.reason == "squares underflow in double");
    const xt::xtensor<double, 1> huge = {1e200, 3e200};
    CHECK(analyze_basic_stats(huge).std.reason == "not finite");
    CHECK(analyze_basic_stats(huge).mean.value == Approx(2e200).epsilon(1e-14));
}

TEST_CASE("a Gaussian has no skewness and no excess kurtosis, a uniform distribution has -1.2")
{
    const auto w = random_normal<float>({1000, 400}, {.seed = 1, .std = 0.02});
    CHECK(analyze_basic_stats(w).skewness.value == Approx(0).margin(5 * std::sqrt(6.0 / 4e5)));
    CHECK(analyze_basic_stats(w).kurtosis.value == Approx(0).margin(5 * std::sqrt(24.0 / 4e5)));
    const xt::xtensor<double, 1> uniform = xt::linspace<double>(-1, 1, 100001);
    CHECK(analyze_basic_stats(uniform).kurtosis.value == Approx(-1.2).epsilon(1e-3));
}

TEST_CASE("the histogram counts every finite entry once and can be left out")
{
    const auto w = random_normal<float>({300, 100}, {.seed = 1});
    const auto histogram = analyze_basic_stats(w, {.histogram_bins = 20}).histogram;
    CHECK(histogram.counts.size() <= 20);
    std::uint64_t sum = 0;
    for (const auto count : histogram.counts)
        sum += count;
    CHECK(sum == w.size());
    CHECK(analyze_basic_stats(w, {.histogram_bins = 0}).histogram.counts.empty());
}
