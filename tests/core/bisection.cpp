#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <weightscope/core/bisection.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random_stream.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

detail::tridiagonal random_tridiagonal(std::size_t n)
{
    random_stream random(n);
    detail::tridiagonal t{std::vector<double>(n), std::vector<double>(n)};
    for (double& x : t.diagonal)
        x = random.normal();
    for (double& x : t.off_diagonal)
        x = random.normal();
    return t;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b)
{
    double result = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        result = std::max(result, std::fabs(a[i] - b[i]));
    return result;
}

}  // namespace

TEST_CASE("bisection by hand")
{
    // {{1, 2}, {2, -2}}: eigenvalues 2 and -3
    const auto values = detail::eigenvalues_by_bisection({{1, -2}, {2, 0}});
    CHECK(values[0] == Approx(-3).epsilon(1e-15));
    CHECK(values[1] == Approx(2).epsilon(1e-15));
    CHECK(detail::eigenvalues_by_bisection({{-7}, {0}})[0] == Approx(-7).epsilon(1e-15));
    CHECK(detail::eigenvalues_by_bisection({{0, 0, 0}, {0, 0, 0}}) == std::vector<double>(3));
    CHECK(detail::eigenvalues_by_bisection({}).empty());
}

TEST_CASE("bisection and QL iteration find the same eigenvalues for sizes around the kernel's, with the same bits for any number of threads")
{
    for (const std::size_t n : {2, 3, 7, 8, 9, 11, 12, 13, 25, 100, 333}) {
        INFO("n = " << n);
        const auto values = detail::eigenvalues_by_bisection(random_tridiagonal(n));
        CHECK(largest_difference(values, detail::eigenvalues(random_tridiagonal(n))) < 4 * std::sqrt(static_cast<double>(n)) * 0x1p-53 * 8);  // of some 8
        CHECK(std::is_sorted(values.begin(), values.end()));
        CHECK(with_threads(1, [n] { return detail::eigenvalues_by_bisection(random_tridiagonal(n)); }) == values);
    }
}

TEST_CASE("bisection finds known eigenvalues: second differences, times any power of two")
{
    const std::size_t n = 500;
    for (const double scale : {1.0, 0x1p-400, 0x1p400}) {
        const auto values = detail::eigenvalues_by_bisection({std::vector<double>(n, 2 * scale), std::vector<double>(n, -scale)});
        double worst = 0;
        for (std::size_t k = 0; k < n; ++k) {
            const double exact = 4 * std::pow(std::sin(static_cast<double>(k + 1) * std::numbers::pi / (2 * static_cast<double>(n + 1))), 2);
            worst = std::max(worst, std::fabs(values[k] / scale - exact));
        }
        CHECK(worst < 4e-15);
    }
}

TEST_CASE("bisection sees decoupled blocks, repeated and graded values")
{
    detail::tridiagonal blocks;
    for (int i = 0; i < 100; ++i) {
        blocks.diagonal.insert(blocks.diagonal.end(), {1, 0, 1});
        blocks.off_diagonal.insert(blocks.off_diagonal.end(), {1, 1, 0});
    }
    // {{1, 1, 0}, {1, 0, 1}, {0, 1, 1}} has the characteristic polynomial (1 - x) (x² - x - 2): eigenvalues -1, 1 and 2
    const auto values = detail::eigenvalues_by_bisection(std::move(blocks));
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK(std::fabs(values[i] + 1) < 1e-15);
        CHECK(std::fabs(values[100 + i] - 1) < 1e-15);
        CHECK(std::fabs(values[200 + i] - 2) < 1e-15);
    }

    detail::tridiagonal graded{std::vector<double>(300), std::vector<double>(300)};
    for (std::size_t i = 0; i < 300; ++i) {
        graded.diagonal[i] = std::pow(10.0, -static_cast<double>(i) / 10);
        graded.off_diagonal[i] = 1e-2 * graded.diagonal[i];
    }
    CHECK(largest_difference(detail::eigenvalues_by_bisection(detail::tridiagonal(graded)), detail::eigenvalues(detail::tridiagonal(graded))) < 1e-15);
}
