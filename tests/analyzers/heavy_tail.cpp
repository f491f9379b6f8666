#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

namespace {

xt::xtensor<double, 2> diagonal(const std::vector<double>& values)
{
    xt::xtensor<double, 2> w = xt::zeros<double>({values.size(), values.size()});
    for (std::size_t i = 0; i < values.size(); ++i)
        w(i, i) = values[i];
    return w;
}

// eigenvalues k^-(1/(α-1)), k = 1 ... n, shuffled by reflections
xt::xtensor<double, 2> power_law_matrix(std::size_t n, double alpha)
{
    std::vector<double> sigma(n);
    for (std::size_t k = 0; k < n; ++k)
        sigma[k] = std::pow(static_cast<double>(k + 1), -0.5 / (alpha - 1));
    return with_spectrum(n, n + 7, sigma);
}

}  // namespace

TEST_CASE("heavy-tail figures of the singular values 4, 2, 1 by hand")
{
    // λ = 16, 4, 1: Σ ln(λ / 1) = 6 ln 2, α = 1 + 3 / (6 ln 2) = 1 + 1 / (2 ln 2)
    const auto r = analyze_heavy_tail(diagonal({1, 4, 2}), {.fit = {.min_tail = 3}});
    const double alpha = 1 + 1 / (2 * std::log(2));
    CHECK(r.fit.alpha.value == Approx(alpha).epsilon(1e-13));
    CHECK(r.fit.xmin.value == Approx(1).epsilon(1e-13));
    CHECK(r.fit.xmax.value == Approx(16).epsilon(1e-13));
    CHECK(r.fit.tail_count == 3);
    CHECK(r.alpha_weighted.value == Approx(alpha * std::log10(16)).epsilon(1e-13));
    CHECK(r.log_alpha_norm.value == Approx(std::log10(std::pow(16, alpha) + std::pow(4, alpha) + 1)).epsilon(1e-13));
    CHECK(r.log_norm.value == Approx(std::log10(21)).epsilon(1e-13));
    CHECK(r.log_spectral_norm.value == Approx(std::log10(16)).epsilon(1e-13));
    const auto term = [](double x) { return -x / 21 * std::log(x / 21); };
    CHECK(r.entropy.value == Approx((term(16) + term(4) + term(1)) / std::log(3)).epsilon(1e-13));
}

TEST_CASE("the exponent that a spectrum was made with is found")
{
    for (const double alpha : {2.0, 3.0, 5.0}) {
        const auto r = analyze_heavy_tail(power_law_matrix(300, alpha));
        INFO("alpha " << alpha << ", found " << r.fit.alpha.value);
        CHECK(std::fabs(r.fit.alpha.value - alpha) < 3 * r.fit.alpha_error.value);
        CHECK(r.fit.ks_distance.value < 0.05);
    }
}

TEST_CASE("directions that are lost in rounding stay out of a heavy-tail fit")
{
    auto sigma = geometric_spectrum(60, 100);
    std::fill(sigma.begin() + 40, sigma.end(), 0.0);
    const auto r = analyze_heavy_tail(with_spectrum(60, 80, sigma));
    CHECK(r.fit.value_count == 40);
    CHECK(r.fit.xmin.value > 1e-5);
}

TEST_CASE("WeightWatcher's fit takes eigenvalues above 1e-5 and tails of two")
{
    std::vector<double> sigma = {1, 0.9, 0.5, 0.25, 0.1, 0.05, 0.01, 0.003, 0.001};  // λ of the last two: 9e-6, 1e-6
    const auto ours = analyze_heavy_tail(diagonal(sigma));
    CHECK(ours.fit.alpha.reason == "too few values");
    CHECK(ours.log_norm.exists());
    CHECK(ours.alpha_weighted.reason == "too few values");
    const auto theirs = analyze_heavy_tail(diagonal(sigma), {.ww_compat = true});
    CHECK(theirs.fit.value_count == 7);

    // x = np.sort(np.array([1, .9, .5, .25, .1, .05, .01, .003, .001])**2); x = x[x > 1e-5]; n = len(x); L = np.log(x)
    // fits = []
    // for i in range(n - 1):
    //     m = n - i; a = 1 + m / (L[i:].sum() - m * L[i])
    //     fits.append((np.max(np.abs(1 - (x[i:] / x[i])**(1 - a) - np.arange(m) / m)), a, x[i], (a - 1) / np.sqrt(m), m))
    // min(fits)
    CHECK(theirs.fit.ks_distance.value == Approx(0.2683244174668648).epsilon(1e-11));
    CHECK(theirs.fit.alpha.value == Approx(1.2859519194545024).epsilon(1e-12));
    CHECK(theirs.fit.xmin.value == Approx(0.0025).epsilon(1e-12));
    CHECK(theirs.fit.alpha_error.value == Approx(0.11673938227216087).epsilon(1e-11));
    CHECK(theirs.fit.tail_count == 6);
}

TEST_CASE("norms of huge and tiny matrices do not overflow in powers")
{
    for (const double scale : {1e-60, 1e60}) {
        auto w = power_law_matrix(100, 3);
        w *= scale;
        const auto r = analyze_heavy_tail(w);
        INFO("scale " << scale);
        REQUIRE(r.log_alpha_norm.exists());
        CHECK(r.fit.alpha.value == Approx(analyze_heavy_tail(power_law_matrix(100, 3)).fit.alpha.value).epsilon(1e-9));
        CHECK(r.log_spectral_norm.value == Approx(2 * std::log10(scale)).margin(1e-9));
        CHECK(r.log_alpha_norm.value > r.alpha_weighted.value);
        CHECK(r.log_alpha_norm.value < r.alpha_weighted.value + 1);
    }
}

TEST_CASE("a matrix without a heavy tail says why")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({30, 20});
    const auto r = analyze_heavy_tail(zero);
    CHECK(r.fit.alpha.reason == "all zero");
    CHECK(r.log_norm.reason == "all zero");
    CHECK(r.alpha_weighted.reason == "all zero");
    CHECK(analyze_heavy_tail(xt::xtensor<float, 2>(xt::empty<float>({0, 4}))).entropy.reason == "no entries");
    const xt::xtensor<float, 2> one_row = xt::ones<float>({1, 4});
    CHECK(analyze_heavy_tail(one_row).entropy.reason == "one direction");
    CHECK(analyze_heavy_tail(one_row).log_norm.value == Approx(std::log10(4)));
    CHECK(analyze_heavy_tail(diagonal(std::vector<double>(12, 2.0))).fit.alpha.reason == "all equal");
    const xt::xtensor<float, 2> broken = {{1, std::numeric_limits<float>::quiet_NaN()}};
    CHECK_THROWS_WITH(analyze_heavy_tail(broken), "weightscope::analyze_heavy_tail(weights): an entry is nan, expected finite");
    CHECK_THROWS_WITH(analyze_heavy_tail(xt::xtensor<float, 1>{1, 2}), "weightscope::analyze_heavy_tail(weights): weights have rank 1, expected 2 or more");
}
