#include <algorithm>
#include <cmath>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/random.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

double median(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

}  // namespace

TEST_CASE("the Gaussian baselines are what Gaussian matrices give")
{
    struct shape
    {
        std::size_t rows, cols;
    };
    for (const auto [rows, cols] : {shape{40, 40}, shape{64, 60}, shape{50, 200}, shape{150, 50}}) {
        std::vector<double> kappa, stable_rank, sqnr;
        for (std::uint64_t seed = 0; seed < 101; ++seed) {
            const auto w = random_normal<double>({rows, cols}, {.seed = seed});
            const auto spectral = analyze_spectral(w);
            kappa.push_back(spectral.condition_number.value);
            stable_rank.push_back(spectral.stable_rank.value);
            sqnr.push_back(analyze_quantization_sensitivity(w).sqnr_db.value);
        }
        INFO(rows << " x " << cols);
        // asymptotic formulas at small sizes: a typical value, not a mean to three digits
        CHECK(gaussian_condition_number(rows, cols) == Approx(median(kappa)).epsilon(0.35));
        CHECK(gaussian_stable_rank(rows, cols) == Approx(median(stable_rank)).epsilon(0.1));
        CHECK(gaussian_sqnr_db(rows * cols, 8) == Approx(median(sqnr)).margin(0.25));
    }
}

TEST_CASE("the bound on the chance of a condition number holds for Gaussian matrices")
{
    // square: P(kappa >= x) < 6.414 n / (x sqrt(2 pi)) = 2.56 n / x
    CHECK(condition_number_p_value(2.56e3 * 100, 100, 100) == Approx(1e-3).epsilon(1e-2));
    CHECK(condition_number_p_value(1, 100, 100) == 1);
    CHECK(condition_number_p_value(1e6, 1, 100) == 1);
    CHECK(condition_number_p_value(1e4, 50, 200) < 1e-100);

    constexpr std::size_t n = 12, runs = 2000;
    for (const double x : {100.0, 300.0, 1000.0}) {
        std::size_t exceeded = 0;
        for (std::uint64_t seed = 0; seed < runs; ++seed)
            exceeded += analyze_spectral(random_normal<double>({n, n}, {.seed = seed})).condition_number_at_least.value >= x;
        const double bound = condition_number_p_value(x, n, n);
        CHECK(static_cast<double>(exceeded) / runs <= bound);  // the true chance is about 2 n / x, 0.78 of the bound
        CHECK(static_cast<double>(exceeded) / runs >= 0.3 * bound);
    }
}

TEST_CASE("the median of the largest Gaussian magnitude")
{
    // one entry: the median of |x| is 0.67448975...
    CHECK(gaussian_abs_max(1) == Approx(0.6744897501960817).epsilon(1e-12));
    // P(|x| < a)^n = 1/2 put in again
    for (const std::size_t n : {std::size_t{100}, std::size_t{1'000'000}, std::size_t{1} << 40})
        CHECK(std::exp(static_cast<double>(n) * std::log1p(-std::erfc(gaussian_abs_max(n) / std::sqrt(2.0)))) == Approx(0.5).epsilon(1e-9));
}
