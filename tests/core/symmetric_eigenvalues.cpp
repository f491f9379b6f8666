#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// lower triangle of a random symmetric matrix; what lies above the diagonal must not be read
std::vector<double> random_symmetric(std::size_t n)
{
    const auto values = random_normal<double>({n, n}, {.seed = n});
    std::vector<double> a(values.begin(), values.end());
    for (std::size_t j = 0; j < n; ++j)
        std::fill_n(a.begin() + static_cast<std::ptrdiff_t>(j * n), j, 1e9);
    return a;
}

template <std::size_t Width>
detail::tridiagonal in_two_stages(std::vector<double> a, std::size_t n)
{
    return detail::chase_bulges(detail::reduce_to_band<Width>(std::move(a), n));
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b)
{
    double result = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        result = std::max(result, std::fabs(a[i] - b[i]));
    return result;
}

}  // namespace

TEST_CASE("eigenvalues of a symmetric matrix by hand")
{
    const auto values = detail::symmetric_eigenvalues({2, 1, 1, 2}, 2);
    CHECK(values[0] == Approx(1).epsilon(1e-15));
    CHECK(values[1] == Approx(3).epsilon(1e-15));
    CHECK(detail::symmetric_eigenvalues({7}, 1) == std::vector<double>{7});
}

TEST_CASE("two stages and one give the same eigenvalues for every size around the band's width")
{
    for (std::size_t n = 1; n <= 40; ++n) {
        INFO("n = " << n);
        const auto exact = detail::eigenvalues(detail::tridiagonalize_directly(random_symmetric(n), n));
        CHECK(largest_difference(detail::eigenvalues(in_two_stages<8>(random_symmetric(n), n)), exact) < 1e-14 * static_cast<double>(n));
    }
    for (const std::size_t n : {48, 49, 50, 95, 96, 97, 98, 145, 255, 256, 257, 303, 304, 305, 600}) {
        INFO("n = " << n);
        const auto exact = detail::eigenvalues(detail::tridiagonalize_directly(random_symmetric(n), n));
        CHECK(largest_difference(detail::eigenvalues(in_two_stages<48>(random_symmetric(n), n)), exact) < 1e-13 * std::sqrt(static_cast<double>(n)));
    }
}

TEST_CASE("the second difference matrix, conjugated by a reflection, has its known eigenvalues")
{
    // T = tridiag(-1, 2, -1) has 4 sin²(k pi / (2 (n + 1))); A = H T H for H = I - v vᵀ, |v|² = 2
    const std::size_t n = 2150;  // large enough for two stages and for both sizes of tiles
    std::vector<double> v(n), p(n), a(n * n);
    random_stream random(3);
    double norm = 0;
    for (double& x : v) {
        x = random.normal();
        norm += x * x;
    }
    for (double& x : v)
        x *= std::sqrt(2 / norm);
    double along = 0;
    for (std::size_t i = 0; i < n; ++i) {
        p[i] = 2 * v[i] - (i > 0 ? v[i - 1] : 0) - (i + 1 < n ? v[i + 1] : 0);
        along += p[i] * v[i];
    }
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = j; i < n; ++i)
            a[i + j * n] = (i == j ? 2.0 : i == j + 1 ? -1.0 : 0.0) - p[i] * v[j] - v[i] * p[j] + along * v[i] * v[j];

    std::vector<double> exact(n);
    for (std::size_t k = 0; k < n; ++k)
        exact[k] = 4 * std::pow(std::sin(static_cast<double>(k + 1) * std::numbers::pi / (2 * static_cast<double>(n + 1))), 2);
    // the bound of the Gram route, 8 sqrt(n) u times the largest
    CHECK(largest_difference(detail::symmetric_eigenvalues(std::move(a), n), exact) < 8 * std::sqrt(n) * 0x1p-53 * 4);
}

TEST_CASE("both stages give the same bits for any number of threads")
{
    const std::size_t n = 700;
    const auto once = with_threads(1, [] { return in_two_stages<48>(random_symmetric(n), n); });
    for (const std::size_t threads : {2, 3, 4}) {
        const auto again = with_threads(threads, [] { return in_two_stages<48>(random_symmetric(n), n); });
        CHECK(again.diagonal == once.diagonal);
        CHECK(again.off_diagonal == once.off_diagonal);
    }
}

TEST_CASE("a matrix that is a band, diagonal or zero already stays what it is")
{
    const std::size_t n = 100;
    std::vector<double> a(n * n);
    CHECK(in_two_stages<8>(a, n).diagonal == std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i)
        a[i + i * n] = static_cast<double>(i);
    const auto values = detail::eigenvalues(in_two_stages<8>(a, n));
    for (std::size_t i = 0; i < n; ++i)
        CHECK(values[i] == static_cast<double>(i));
}

TEST_CASE("a Sturm count agrees with the sorted eigenvalues")
{
    const std::size_t n = 60;
    const auto t = detail::tridiagonalize(random_symmetric(n), n);
    const auto values = detail::eigenvalues(detail::tridiagonal(t));
    CHECK(detail::count_below(t, values.front() - 1) == 0);
    CHECK(detail::count_below(t, values.back() + 1) == n);
    for (std::size_t i = 1; i < n; ++i)
        CHECK(detail::count_below(t, (values[i - 1] + values[i]) / 2) == i);
    // {{0, 1}, {1, 0}} at 0: the first pivot is 0
    CHECK(detail::count_below({{0, 0}, {1, 0}}, 0) == 1);
}
