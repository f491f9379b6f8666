#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/core/special.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

bool within(double value, double expected, double relative)
{
    return std::fabs(value - expected) <= relative * std::fabs(expected);
}

}  // namespace

TEST_CASE("the inverse normal distribution agrees with 60-digit arithmetic into the extreme tails")
{
    // from mpmath import *; mp.dps = 60
    // def quantile(p):  # p is the double's exact value
    //     p = mpf(p); x = -sqrt(-2*log(p)) if p < 1e-15 else mpf(statistics.NormalDist().inv_cdf(float(p)))
    //     for _ in range(99): c = erfc(-x/sqrt(2))/2; x -= (log(c) - log(p)) * c / npdf(x)
    //     return nstr(x, 17)
    const std::vector<std::pair<double, double>> known = {
        {0.975, 1.9599639845400539},  {0.5000001, 2.5066282733116483e-7}, {0.6, 0.25334710313579974},
        {0.075, -1.4395314709384559}, {0.925, 1.4395314709384562},        {0.07, -1.4757910281791707},
        {0.999, 3.0902323061678133},  {1e-3, -3.0902323061678135},        {1e-5, -4.2648907939228246},
        {1e-10, -6.3613409024040562}, {1e-12, -7.0344838253011319},       {1e-16, -8.2220822161304356},
        {1e-50, -14.933337534788489}, {1e-100, -21.273453560965324},      {1e-300, -37.047096299361199},
        {5e-324, -38.467405617144346}};
    for (const auto& [p, x] : known) {
        INFO(p);
        CHECK(within(inverse_normal_cdf(p), x, 1e-15));
    }
    CHECK(inverse_normal_cdf(0.5) == 0);
}

TEST_CASE("the inverse normal distribution is odd about one half and rises")
{
    for (int i = 1; i < 512; ++i) {
        const double p = i / 1024.0;  // p and 1 - p are exact
        CHECK(inverse_normal_cdf(1 - p) == -inverse_normal_cdf(p));
        CHECK(inverse_normal_cdf(p) < inverse_normal_cdf((i + 1) / 1024.0));
    }
}

TEST_CASE("the inverse normal distribution outside (0, 1)")
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(inverse_normal_cdf(0) == -infinity);
    CHECK(inverse_normal_cdf(-0.0) == -infinity);
    CHECK(inverse_normal_cdf(1) == infinity);
    for (const double p :
         {-1e-300, -1.0, 1.0000000000000002, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()})
        CHECK(std::isnan(inverse_normal_cdf(p)));
}

TEST_CASE("the normal distribution agrees with 60-digit arithmetic")
{
    // from mpmath import *; mp.dps = 60; nstr(erfc(-mpf(x)/sqrt(2))/2, 17)
    const std::vector<std::pair<double, double>> known = {{0, 0.5},
                                                          {0.5, 0.6914624612740131},
                                                          {-0.5, 0.3085375387259869},
                                                          {1.96, 0.97500210485177956},
                                                          {-1, 0.15865525393145705},
                                                          {-3, 0.0013498980316300945},
                                                          {-8.25, 7.9197263146424773e-17},
                                                          {-20, 2.7536241186062337e-89},
                                                          {-37.5, 4.6053530095819548e-308},
                                                          {5, 0.99999971334842812},
                                                          {9, 1.0}};
    for (const auto& [x, p] : known) {
        INFO(x);
        CHECK(within(normal_cdf(x), p, 1e-15));
    }
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(normal_cdf(-infinity) == 0);
    CHECK(normal_cdf(infinity) == 1);
    CHECK(normal_cdf(-1e300) == 0);
    CHECK(normal_cdf(1e300) == 1);
    CHECK(std::isnan(normal_cdf(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("the normal distribution undoes its inverse")
{
    // dp/p = -x dx, so an error of 1e-15 in x is |x|·|x|·1e-15 in p
    for (double p = 1e-300; p < 0.5; p *= 7) {
        const double x = inverse_normal_cdf(p);
        CHECK(within(normal_cdf(x), p, 1e-15 * (1 + x * x)));
    }
}

TEST_CASE("the portable logarithm is within 1 ulp of the library's rounding")
{
    // std::log of glibc is itself within 1 ulp
    const auto check = [](double x) {
        const double expected = std::log(x);
        INFO(x);
        CHECK(std::fabs(detail::portable_log(x) - expected)
              <= 2 * (std::nextafter(std::fabs(expected), HUGE_VAL) - std::fabs(expected)));
    };
    for (int e = -1074; e < 1024; e += 13)
        for (const double m : {1.0, 1.1, 1.4142135623730949, 1.4142135623730951, 1.7, 1.9999999999999998})
            check(std::ldexp(m, e));
    for (const double x : {0.9999999999999999, 1.0000000000000002, 0.70710678118654746, 0.7071067811865476, 5e-324})
        check(x);
    CHECK(detail::portable_log(1) == 0);
}
