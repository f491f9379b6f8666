#include <cmath>

#include <weightscope/core/special.hpp>
#include <weightscope/evaluators/student_t.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("quantiles of Student's t are those of the tables")
{
    // closed forms: n = 1 is tan(pi (p - 1/2)), n = 2 is (2p - 1) / sqrt(2 p (1 - p))
    CHECK(student_t_quantile(0.975, 1) == Approx(std::tan(3.14159265358979323846 * 0.475)).epsilon(1e-12));
    CHECK(student_t_quantile(0.975, 2) == Approx(0.95 / std::sqrt(2 * 0.975 * 0.025)).epsilon(1e-12));
    // scipy: from scipy.stats import t; t.ppf(0.975, [3, 7, 30, 500])
    CHECK(student_t_quantile(0.975, 3) == Approx(3.1824463052837078).epsilon(1e-12));
    CHECK(student_t_quantile(0.975, 7) == Approx(2.364624251592784).epsilon(1e-12));
    CHECK(student_t_quantile(0.975, 30) == Approx(2.0422724563012378).epsilon(1e-12));
    CHECK(student_t_quantile(0.975, 500) == Approx(1.9647198374673676).epsilon(1e-12));
    CHECK(student_t_quantile(0.5, 9) == Approx(0).margin(1e-14));
    CHECK(student_t_quantile(0.025, 9) == Approx(-student_t_quantile(0.975, 9)).epsilon(1e-12));
}

TEST_CASE("the series for many degrees of freedom meets the exact sums")
{
    for (const double p : {0.6, 0.9, 0.975, 0.999}) {
        const double x = student_t_quantile(p, 2001);
        CHECK(detail::student_t_cdf(x, 2001) == Approx(p).epsilon(1e-12));
        CHECK(student_t_quantile(p, 100000000) == Approx(inverse_normal_cdf(p)).epsilon(1e-7));  // off by (z² + 1) / 4n
    }
}

TEST_CASE("quantiles that do not exist are refused")
{
    CHECK_THROWS_WITH(student_t_quantile(1, 3), "weightscope::student_t_quantile(p, degrees_of_freedom): p is 1, expected above 0 and below 1");
    CHECK_THROWS_WITH(student_t_quantile(0.5, 0),
                      "weightscope::student_t_quantile(p, degrees_of_freedom): degrees_of_freedom is 0, expected 1 or more");
}
