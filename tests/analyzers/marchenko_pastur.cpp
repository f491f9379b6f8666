#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/marchenko_pastur_law.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

namespace {

// A Gaussian matrix with std s and one direction of strength θ more.
xt::xtensor<double, 2> planted(std::size_t rows, std::size_t cols, double s, double theta, std::uint64_t seed)
{
    xt::xtensor<double, 2> w = random_normal<double>({rows, cols}, {.seed = seed, .std = s});
    random_stream random(seed + 1'000'000);
    std::vector<double> u(rows), v(cols);
    const auto fill = [&](std::vector<double>& values) {  // returns the squared length
        double sum = 0;
        for (double& x : values) {
            x = random.normal();
            sum += x * x;
        }
        return sum;
    };
    const double uu = fill(u), vv = fill(v);
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j)
            w(i, j) += theta * u[i] * v[j] / std::sqrt(uu * vv);
    return w;
}

}  // namespace

TEST_CASE("bulk edges, soft rank and counts by hand")
{
    // singular values 3, 1, 1, 1 of a 4 x 16 matrix: Σλ = 12, mean square of the entries 12 / 64, √N = 4, √M = 2
    const auto r = analyze_marchenko_pastur(with_spectrum(4, 16, {3, 1, 1, 1}));
    CHECK(r.elements.std.value == Approx(std::sqrt(12.0 / 64)).epsilon(1e-12));
    CHECK(r.elements.bulk_min.value == Approx(12.0 / 64 * 4).epsilon(1e-12));
    CHECK(r.elements.bulk_max.value == Approx(12.0 / 64 * 36).epsilon(1e-12));
    CHECK(r.elements.soft_rank.value == Approx(12.0 / 64 * 36 / 9).epsilon(1e-12));
    const double n = std::sqrt(15), m = 2, limit = (n + m) * (n + m) + 3.2724 * (n + m) * std::cbrt(1 / n + 1 / m);
    CHECK(gaussian_largest_eigenvalue(16, 4) == Approx(limit).epsilon(1e-14));
    CHECK(gaussian_largest_eigenvalue(4, 16) == gaussian_largest_eigenvalue(16, 4));
    CHECK(r.elements.spike_limit.value == Approx(12.0 / 64 * limit).epsilon(1e-12));
    CHECK(r.elements.spike_count.value == 0);  // 9 < 9.79
    CHECK_FALSE(r.shuffled);
}

TEST_CASE("a Gaussian matrix has no spikes, the std that it was drawn with, and the law's bulk")
{
    std::size_t with_spikes = 0, trials = 0;
    for (const auto& [rows, cols] : std::vector<std::pair<std::size_t, std::size_t>>{{80, 80}, {60, 240}, {200, 50}})
        for (std::uint64_t seed = 0; seed < 100; ++seed, ++trials) {
            const auto r = analyze_marchenko_pastur(random_normal<double>({rows, cols}, {.seed = seed, .std = 0.02}));
            with_spikes += r.elements.spike_count.value > 0 || r.fitted.spike_count.value > 0;
            REQUIRE(r.fitted.std.exists());
            // the median of 50 to 80 eigenvalues is known to some percent, the mean square of 5,000 and more entries to one
            if (std::fabs(r.fitted.std.value - 0.02) > 0.02 * 0.1 || std::fabs(r.elements.std.value - 0.02) > 0.02 * 0.04)
                FAIL("seed " << seed << ": " << r.elements.std.value << ", " << r.fitted.std.value);
            if (r.bulk_ks_distance.value > 0.1)
                FAIL("seed " << seed << ": distance " << r.bulk_ks_distance.value);
        }
    INFO(with_spikes << " of " << trials);
    CHECK(with_spikes <= 4);  // one in a thousand for a known std, some more for one that is fitted
}

TEST_CASE("a planted direction is a spike from the strength on at which it can be seen")
{
    const double s = 0.03, threshold = s * std::pow(100.0 * 300.0, 0.25);
    std::size_t seen = 0, imagined = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        seen += analyze_marchenko_pastur(planted(100, 300, s, 1.6 * threshold, seed)).fitted.spike_count.value == 1;
        imagined += analyze_marchenko_pastur(planted(100, 300, s, 0.5 * threshold, seed)).fitted.spike_count.value > 0;
    }
    CHECK(seen == 40);
    CHECK(imagined <= 1);
}

TEST_CASE("the bulk's own std does not grow with the spikes")
{
    auto w = planted(120, 200, 1, 300, 3);
    const auto r = analyze_marchenko_pastur(w);
    CHECK(r.elements.std.value > 2);  // √(1 + 300² / 24,000)
    CHECK(r.fitted.std.value == Approx(1).epsilon(0.03));
    CHECK(r.fitted.spike_count.value == 1);
    CHECK(r.fitted.soft_rank.value == Approx(std::pow(std::sqrt(120) + std::sqrt(200), 2) / 90'000).epsilon(0.1));
    const auto turned = analyze_marchenko_pastur(xt::xtensor<double, 2>(xt::transpose(w)));
    CHECK(turned.fitted.std.value == Approx(r.fitted.std.value).epsilon(1e-10));
    w *= 64;
    CHECK(analyze_marchenko_pastur(w).fitted.std.value == Approx(64 * r.fitted.std.value).epsilon(1e-10));
}

TEST_CASE("shuffled elements tell what order adds, and the same seed the same")
{
    xt::xtensor<float, 2> w = random_normal<float>({60, 90}, {.seed = 4});
    for (std::size_t i = 0; i < 60; ++i)
        for (std::size_t j = 0; j < 90; ++j)
            w(i, j) += 1;
    const auto r = analyze_marchenko_pastur(w, {.shuffles = 3, .seed = 5});
    REQUIRE(r.shuffled);
    CHECK(r.shuffled->shuffle_count == 3);
    CHECK(r.shuffled->mean_eigenvalue <= r.shuffled->max_eigenvalue);
    CHECK(r.shuffled->mean_eigenvalue > 0.9 * r.shuffled->max_eigenvalue);
    CHECK(r.shuffled->soft_rank.value == Approx(1).epsilon(0.05));  // the mean of all entries, which shuffling keeps, is the spike
    CHECK(analyze_marchenko_pastur(w, {.shuffles = 3, .seed = 5}).shuffled->max_eigenvalue == Approx(r.shuffled->max_eigenvalue).epsilon(1e-10));
    CHECK(analyze_marchenko_pastur(w, {.shuffles = 3, .seed = 6}).shuffled->max_eigenvalue != r.shuffled->max_eigenvalue);

    // a direction with alternating signs has no mean: shuffling takes it away
    const auto spiked = analyze_marchenko_pastur(planted(60, 90, 1, 60, 7), {.shuffles = 4});
    CHECK(spiked.shuffled->spike_count == 1);
    CHECK(spiked.shuffled->soft_rank.value < 0.5);
    const auto half = analyze_marchenko_pastur(random_normal<bfloat16>({40, 40}, {.seed = 8}), {.shuffles = 1});
    CHECK(half.shuffled->max_eigenvalue == Approx(half.elements.bulk_max.value).epsilon(0.15));
}

TEST_CASE("a matrix without a bulk says why")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({30, 20});
    CHECK(analyze_marchenko_pastur(zero).elements.std.reason == "all zero");
    CHECK(analyze_marchenko_pastur(zero).bulk_ks_distance.reason == "all zero");
    const xt::xtensor<float, 2> one_row = xt::ones<float>({1, 4});
    CHECK(analyze_marchenko_pastur(one_row, {.shuffles = 1}).fitted.std.reason == "fewer than two directions");
    CHECK(analyze_marchenko_pastur(xt::xtensor<float, 2>(xt::empty<float>({0, 4})), {.shuffles = 1}).fitted.std.reason == "fewer than two directions");
    auto low_rank = geometric_spectrum(40, 10);
    std::fill(low_rank.begin() + 8, low_rank.end(), 0.0);
    const auto r = analyze_marchenko_pastur(with_spectrum(40, 60, low_rank));
    CHECK(r.elements.std.exists());
    CHECK(r.fitted.std.reason == "half of the directions are zero");
    CHECK(r.fitted.spike_count.reason == "half of the directions are zero");
    CHECK(r.bulk_ks_distance.reason == "half of the directions are zero");
    CHECK(analyze_marchenko_pastur(with_spectrum(40, 60, geometric_spectrum(40, 1e5))).fitted.std.reason == "half of the directions are spikes");
    const xt::xtensor<float, 2> broken = {{1, std::numeric_limits<float>::infinity()}, {1, 2}};
    CHECK_THROWS_WITH(analyze_marchenko_pastur(broken), "weightscope::analyze_marchenko_pastur(weights): an entry is inf, expected finite");
    CHECK_THROWS_WITH(analyze_marchenko_pastur(xt::xtensor<float, 1>{1, 2}),
                      "weightscope::analyze_marchenko_pastur(weights): weights have rank 1, expected 2 or more");
}
