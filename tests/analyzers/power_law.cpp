#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

using numbers = xt::xtensor<double, 1>;

numbers tensor_of(const std::vector<double>& values)
{
    numbers result = xt::empty<double>({values.size()});
    std::copy(values.begin(), values.end(), result.begin());
    return result;
}

// x = (1 - u)^(-1 / (α - 1)): a power law from 1 on
std::vector<double> pareto(std::size_t count, double alpha, std::uint64_t seed)
{
    random_stream random(seed);
    std::vector<double> values(count);
    for (double& x : values)
        x = std::pow(1 - random.uniform(), -1 / (alpha - 1));
    return values;
}

struct brute_fit
{
    double alpha = 0, xmin = 0, distance = 2;
    std::size_t count = 0;
};

// The definition, in n² steps and long double.
brute_fit brute_force(std::vector<double> values, bool every_value, std::size_t min_tail = 2)
{
    std::sort(values.begin(), values.end());
    brute_fit best;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!every_value && i > 0 && values[i] == values[i - 1])
            continue;
        const std::size_t n = values.size() - i;
        if (n < min_tail || values[i] == values.back())
            continue;
        long double sum = 0;
        for (std::size_t k = i; k < values.size(); ++k)
            sum += std::log(static_cast<long double>(values[k]) / values[i]);
        const long double alpha = 1 + static_cast<long double>(n) / sum;
        long double distance = 0;
        for (std::size_t k = i; k < values.size(); ++k) {
            std::size_t below = k;
            while (!every_value && below > i && values[below - 1] == values[k])
                --below;
            const long double law = 1 - std::pow(static_cast<long double>(values[k]) / values[i], 1 - alpha);
            distance = std::max(distance, std::fabs(law - static_cast<long double>(below - i) / static_cast<long double>(n)));
        }
        if (distance < best.distance - 1e-13)  // double cannot tell smaller differences
            best = {static_cast<double>(alpha), values[i], static_cast<double>(distance), n};
    }
    return best;
}

void check_against_brute_force(const std::vector<double>& values, power_law_convention convention, std::size_t min_tail = 2)
{
    const brute_fit expected = brute_force(values, convention == power_law_convention::weightwatcher, min_tail);
    const power_law_result found = fit_power_law(tensor_of(values), {.min_tail = min_tail, .convention = convention});
    REQUIRE(found.alpha.exists());
    CHECK(found.xmin.value == expected.xmin);
    CHECK(found.tail_count == expected.count);
    CHECK(found.alpha.value == Approx(expected.alpha).epsilon(1e-12));
    CHECK(std::fabs(found.ks_distance.value - expected.distance) <= 1e-12);
}

}  // namespace

TEST_CASE("a power-law fit of 1, 2, 4, 8 by hand")
{
    // from 1: Σ ln(x / xmin) = 6 ln 2, α = 1 + 4 / (6 ln 2); x = 2^k has the law 1 - 2^(-k (α-1)) = 1 - e^(-2k/3), the share below k / 4
    const auto r = fit_power_law(numbers{8, 1, 4, 2}, {.xmin = 1});
    CHECK(r.alpha.value == Approx(1 + 2 / (3 * std::log(2))).epsilon(1e-14));
    CHECK(r.ks_distance.value == Approx(1 - std::exp(-2.0 / 3) - 0.25).epsilon(1e-13));  // k = 1; k = 2 gives 0.2364, k = 3 0.1147
    CHECK(r.alpha_error.value == Approx((r.alpha.value - 1) / 2).epsilon(1e-14));
    CHECK(r.xmin.value == 1);
    CHECK(r.xmax.value == 8);
    CHECK(r.tail_count == 4);
    CHECK(r.value_count == 4);

    // free: from 2 three are left, α - 1 = 1 / ln 2, so 1 - e^-1 - 1/3 = 0.299; from 4 two, α - 1 = 2 / ln 2, so 1 - e^-2 - 1/2 = 0.365
    CHECK(fit_power_law(numbers{8, 1, 4, 2}).xmin.value == 1);
    const auto three = fit_power_law(numbers{8, 1, 4, 2}, {.xmin = 1.5});
    CHECK(three.xmin.value == 2);
    CHECK(three.ks_distance.value == Approx(1 - std::exp(-1.0) - 1.0 / 3).epsilon(1e-13));
    CHECK(three.tail_count == 3);
}

TEST_CASE("a power-law fit is the exact minimum over all candidates")
{
    for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
        INFO("seed " << seed);
        const auto values = pareto(150 + 40 * seed, 1.5 + 0.5 * static_cast<double>(seed), seed);
        check_against_brute_force(values, power_law_convention::clauset);
        check_against_brute_force(values, power_law_convention::weightwatcher);
        check_against_brute_force(values, power_law_convention::clauset, 50);
    }
    random_stream random(7);
    std::vector<double> other;
    for (int i = 0; i < 400; ++i)
        other.push_back(random.uniform() + 0.1);  // no power law at all
    check_against_brute_force(other, power_law_convention::clauset);
    for (double& x : other)
        x = std::exp(2 * random.normal());
    check_against_brute_force(other, power_law_convention::clauset);
}

TEST_CASE("equal values are one step and one candidate, or many where WeightWatcher's convention is asked for")
{
    std::vector<double> rounded = pareto(500, 2.2, 11);
    for (double& x : rounded)
        x = std::ceil(4 * x) / 4;
    check_against_brute_force(rounded, power_law_convention::clauset);
    check_against_brute_force(rounded, power_law_convention::weightwatcher);
    const auto by_value = fit_power_law(tensor_of(rounded));
    const auto by_element = fit_power_law(tensor_of(rounded), {.convention = power_law_convention::weightwatcher});
    CHECK(by_value.ks_distance.value != by_element.ks_distance.value);

    std::vector<double> distinct = pareto(300, 2.2, 12);  // where nothing is tied the conventions agree
    CHECK(fit_power_law(tensor_of(distinct)).alpha.value
          == fit_power_law(tensor_of(distinct), {.convention = power_law_convention::weightwatcher}).alpha.value);
}

TEST_CASE("fits are those of the Python package powerlaw, with ties and without")
{
    // powerlaw 2.0.0:
    // x, s = [], 12345
    // for i in range(400):
    //     s = s * 48271 % 2147483647
    //     x.append((1 - s / 2147483647) ** (-1 / 1.3))
    // for v in (np.array(x), np.ceil(4 * np.array(x)) / 4):
    //     f = powerlaw.Fit(v); f.power_law.alpha, f.xmin, f.power_law.D, f.power_law.sigma, (v >= f.xmin).sum()
    std::vector<double> values;
    std::uint64_t state = 12345;
    for (int i = 0; i < 400; ++i) {
        state = state * 48271 % 2147483647;
        values.push_back(std::pow(1 - static_cast<double>(state) / 2147483647, -1 / 1.3));
    }
    const auto check = [&](double alpha, double xmin, double distance, double sigma, std::size_t count) {
        const auto r = fit_power_law(tensor_of(values));
        CHECK(r.alpha.value == Approx(alpha).epsilon(1e-12));
        CHECK(r.xmin.value == Approx(xmin).epsilon(1e-14));
        CHECK(r.ks_distance.value == Approx(distance).epsilon(1e-11));
        CHECK(r.alpha_error.value == Approx(sigma).epsilon(1e-12));
        CHECK(r.tail_count == count);
    };
    check(2.354755205321854, 1.5637153105327142, 0.028905295082921834, 0.08744907247332251, 240);
    for (double& x : values)
        x = std::ceil(4 * x) / 4;
    check(2.5387288966341175, 1.5, 0.036915201671356646, 0.08796327623021497, 306);
}

TEST_CASE("the exponent of a seeded Pareto sample is found within its standard error, wherever its tail begins")
{
    for (const double alpha : {1.5, 2.5, 4.0}) {
        std::vector<double> values = pareto(20'000, alpha, 21);
        for (double& x : values)
            x *= 3;
        random_stream random(22);
        for (int i = 0; i < 20'000; ++i)
            values.push_back(3 * random.uniform());  // a body that is no power law
        const auto r = fit_power_law(tensor_of(values));
        INFO("alpha " << alpha << ", found " << r.alpha.value << " from " << r.xmin.value);
        CHECK(std::fabs(r.alpha.value - alpha) < 4 * r.alpha_error.value);
        CHECK(r.xmin.value > 2.9);
        CHECK(r.tail_count > 5000);
        CHECK(r.ks_distance.value < 0.02);
    }
}

TEST_CASE("a power-law fit scales with its values and does not mind their order")
{
    std::vector<double> values = pareto(2000, 2.7, 31);
    const auto a = fit_power_law(tensor_of(values));
    std::reverse(values.begin(), values.end());
    for (double& x : values)
        x *= 1024;
    const auto b = fit_power_law(tensor_of(values));
    CHECK(b.alpha.value == Approx(a.alpha.value).epsilon(1e-12));
    CHECK(b.xmin.value == 1024 * a.xmin.value);
    CHECK(b.tail_count == a.tail_count);
}

TEST_CASE("options of a power-law fit: where the tail begins, how long it is, what is above it")
{
    const std::vector<double> values = pareto(3000, 2.0, 41);
    const auto bounded = fit_power_law(tensor_of(values), {.xmax = 50});
    CHECK(bounded.xmax.value <= 50);
    CHECK(bounded.value_count == static_cast<std::size_t>(std::count_if(values.begin(), values.end(), [](double x) { return x <= 50; })));
    CHECK(fit_power_law(tensor_of(values), {.min_tail = 2900}).tail_count >= 2900);
    CHECK(fit_power_law(tensor_of(values), {.xmin = 5}).xmin.value >= 5);
    CHECK_THROWS_WITH(fit_power_law(tensor_of(values), {.xmin = -1}),
                      "weightscope::fit_power_law(values, options): options.xmin is -1, expected 0 or more");
    CHECK_THROWS_WITH(fit_power_law(tensor_of(values), {.xmax = -2}),
                      "weightscope::fit_power_law(values, options): options.xmax is -2, expected 0 or more");
}

TEST_CASE("values without a power law say why")
{
    const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    CHECK(fit_power_law(xt::xtensor<double, 1>(xt::empty<double>({0}))).alpha.reason == "too few values");
    CHECK(fit_power_law(numbers{3}).alpha.reason == "too few values");
    CHECK(fit_power_law(numbers{3, -1, 0, nan, inf}).alpha.reason == "too few values");
    CHECK(fit_power_law(numbers{3, -1, 0, nan, inf}).value_count == 1);
    CHECK(fit_power_law(numbers{3, 3, 3}).alpha.reason == "all equal");
    CHECK(fit_power_law(numbers{3, 3, 3}, {.convention = power_law_convention::weightwatcher}).alpha.reason == "all equal");
    CHECK(fit_power_law(numbers{1, 2, 3}, {.xmin = 10}).ks_distance.reason == "too few values above xmin");
    CHECK(fit_power_law(numbers{1, 2, 3}, {.min_tail = 4}).xmin.reason == "too few values");
    const double tiny = std::numeric_limits<double>::denorm_min(), huge = std::numeric_limits<double>::max();
    CHECK(fit_power_law(numbers{tiny, 1, huge}).alpha.exists());
}

TEST_CASE("a view is fitted as its copy")
{
    xt::xtensor<float, 2> w = random_uniform<float>({40, 30}, {.seed = 51, .low = 1, .high = 5});
    const xt::xtensor<float, 2> copy = xt::view(w, xt::range(0, 40, 2), xt::range(3, 20));
    CHECK(fit_power_law(xt::view(w, xt::range(0, 40, 2), xt::range(3, 20))).alpha.value == fit_power_law(copy).alpha.value);
}
