#include <cmath>
#include <vector>

#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

TEST_CASE("spectral metrics of the singular values 4, 2, 1 by hand")
{
    const xt::xtensor<double, 2> w = {{0, 4, 0}, {-2, 0, 0}, {0, 0, 1}};
    const auto r = analyze_spectral(w);
    CHECK(r.total_rank == 3);
    CHECK(r.max_singular_value.value == Approx(4).epsilon(1e-14));
    CHECK(r.min_singular_value.value == Approx(1).epsilon(1e-14));
    CHECK(r.condition_number.value == Approx(4).epsilon(1e-14));
    CHECK(r.condition_number_at_least.value == r.condition_number.value);
    CHECK(r.singular_value_ratio.value == Approx(0.25).epsilon(1e-14));
    CHECK(r.stable_rank.value == Approx(21.0 / 16).epsilon(1e-14));
    CHECK(r.deflated_stable_rank.value == Approx(5.0 / 4).epsilon(1e-14));  // (4 + 1) / 4
    CHECK(r.effective_rank.value == 3);
    CHECK(r.numerical_rank.value == 3);
    CHECK(r.rank_90_energy.value == 2);  // 16/21 = 0.762, 20/21 = 0.952
    CHECK(r.rank_95_energy.value == 2);
    CHECK(r.rank_99_energy.value == 3);
    const double a = 4.0 / 7, b = 2.0 / 7, c = 1.0 / 7;
    CHECK(r.entropy_rank.value == Approx(std::exp(-a * std::log(a) - b * std::log(b) - c * std::log(c))).epsilon(1e-13));
    CHECK(r.top_singular_values.size() == 3);
    CHECK(analyze_spectral(w, {.top_count = 2}).top_singular_values.size() == 2);
}

TEST_CASE("ranks count strictly above their tolerance")
{
    // 0.01 sigma_max itself is not effective; 256 * 2^-23 = 3.05e-5 is NumPy's tolerance for 256 rows
    auto spectrum = geometric_spectrum(40, 10);
    spectrum[37] = 4e-5;
    spectrum[38] = 2e-5;
    spectrum[39] = 1e-9;
    const auto r = analyze_spectral(with_spectrum(256, 40, spectrum));
    CHECK(r.effective_rank.value == 37);
    CHECK(r.numerical_rank.value == 38);
}

TEST_CASE("a matrix that is singular to working precision has no condition number but a bound")
{
    auto spectrum = geometric_spectrum(30, 100);
    spectrum.back() = 0;
    const auto r = analyze_spectral(with_spectrum(30, 50, spectrum));
    CHECK_FALSE(r.condition_number.exists());
    CHECK(r.condition_number.reason == "singular to working precision");
    CHECK_FALSE(r.min_singular_value.exists());
    CHECK(r.condition_number_at_least.value > 1e12);
    CHECK(r.numerical_rank.value == 29);
    CHECK(r.stable_rank.exists());
}

TEST_CASE("condition numbers from 1 to 1e12 are right to their interval or missing with a reason")
{
    for (const double kappa : {1.0, 10.0, 1e3, 1e5, 1e7, 1e9, 1e12}) {
        const auto r = analyze_spectral(with_spectrum(64, 64, flat_plus_one_small(64, kappa)));
        INFO("kappa " << kappa);
        if (r.condition_number.exists())
            CHECK(r.condition_number.value == Approx(kappa).epsilon(2e-3));  // the stated tolerance of the smallest value
        else
            CHECK(r.condition_number.reason == "singular to working precision");
        CHECK(r.condition_number_at_least.value <= kappa * (1 + 2e-3));
        CHECK(r.condition_number.exists() == (kappa < 1e10));
    }
}

TEST_CASE("a matrix without finite spectrum says why")
{
    const xt::xtensor<float, 2> broken = {{1, NAN}, {2, 3}};
    CHECK(analyze_spectral(broken).condition_number.reason == "entries that are not finite");
    CHECK(analyze_spectral(broken).total_rank == 2);
    const xt::xtensor<float, 2> zero = xt::zeros<float>({3, 5});
    const auto r = analyze_spectral(zero);
    CHECK(r.condition_number.reason == "all zero");
    CHECK(r.max_singular_value.value == 0);
    CHECK(r.numerical_rank.value == 0);
    CHECK(r.stable_rank.value == 0);
    CHECK(analyze_spectral(xt::xtensor<float, 2>(xt::empty<float>({0, 4}))).stable_rank.reason == "no entries");
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(analyze_spectral(vector), "weightscope::analyze_spectral(weights): weights have rank 1, expected 2 or more");
}

TEST_CASE("spectral metrics do not change with the scale and the order of rows")
{
    const xt::xtensor<float, 2> w = random_normal<float>({40, 30}, {.seed = 2});
    const xt::xtensor<float, 2> scaled = 8 * xt::view(w, xt::range(39, -41, -1), xt::all());
    const auto a = analyze_spectral(w), b = analyze_spectral(scaled);
    CHECK(b.condition_number.value == Approx(a.condition_number.value).epsilon(1e-9));
    CHECK(b.stable_rank.value == Approx(a.stable_rank.value).epsilon(1e-12));
    CHECK(b.entropy_rank.value == Approx(a.entropy_rank.value).epsilon(1e-12));
    CHECK(b.max_singular_value.value == Approx(8 * a.max_singular_value.value).epsilon(1e-12));
}

TEST_CASE("heavy tails and bulks come with a spectrum where they are asked for")
{
    xt::xtensor<float, 2> w = random_normal<float>({40, 30}, {.seed = 3});
    CHECK_FALSE(analyze_spectral(w).heavy_tail);
    CHECK_FALSE(analyze_spectral(w).marchenko_pastur);
    const auto both = [](const auto& weights) {
        return analyze_spectral(weights, {.heavy_tail = heavy_tail_options{}, .marchenko_pastur = marchenko_pastur_options{.shuffles = 2}});
    };
    const auto r = both(w);
    CHECK(r.heavy_tail->fit.alpha.value == Approx(analyze_heavy_tail(w).fit.alpha.value).epsilon(1e-10));
    CHECK(r.marchenko_pastur->fitted.std.value == Approx(analyze_marchenko_pastur(w).fitted.std.value).epsilon(1e-10));
    CHECK(r.marchenko_pastur->shuffled->shuffle_count == 2);
    w(0, 0) = NAN;
    CHECK(both(w).heavy_tail->fit.alpha.reason == "entries that are not finite");
    CHECK(both(w).marchenko_pastur->elements.std.reason == "entries that are not finite");
    const auto empty = both(xt::xtensor<float, 2>(xt::empty<float>({0, 4})));
    CHECK(empty.heavy_tail->log_norm.reason == "no entries");
    CHECK(empty.marchenko_pastur->fitted.std.reason == "fewer than two directions");
}
