#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/cholesky.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

std::vector<double> random_numbers(std::size_t count, std::uint64_t seed)
{
    const auto values = random_normal<double>({count}, {.seed = seed});
    return {values.begin(), values.end()};
}

// B^T B + I with B random, column-major; below the tiles of the diagonal numbers that must not be read
std::vector<double> random_definite(std::size_t n)
{
    const std::vector<double> b = random_numbers(n * n, n);
    std::vector<double> a(n * n);
    detail::multiply({b.data(), n, n, n}, {b.data(), n, n, n}, 1, 0, {a.data(), n, n, n}, detail::transposition::left);
    for (std::size_t i = 0; i < n; ++i)
        a[i + i * n] += 1;
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = 256 * (j / 256 + 1); i < n; ++i)
            a[i + j * n] = NAN;
    return a;
}

}  // namespace

TEST_CASE("a Cholesky factorization by hand")
{
    // {{4, 2}, {2, 5}} = U^T U with U = {{2, 1}, {0, 2}}; times x = (1, 1) that is (6, 7)
    std::vector<double> a = {4, 2, 2, 5}, x = {6, 7};
    detail::cholesky factorized(a, 2);
    REQUIRE(factorized.factorize());
    CHECK(a[0] == 2);
    CHECK(a[2] == 1);
    CHECK(a[3] == 2);
    factorized.solve_inplace({x.data(), 2, 1, 2});
    CHECK(x == std::vector<double>{1, 1});
}

TEST_CASE("solutions satisfy their equations for sizes around the tile's, with the same bits for any number of threads")
{
    for (const std::size_t n : {1, 17, 255, 256, 257, 600}) {
        const std::size_t count = 3;
        const std::vector<double> right = random_numbers(n * count, 5);
        const auto solve = [&](std::size_t threads) {
            return with_threads(threads, [&] {
                std::vector<double> a = random_definite(n), x = right;
                detail::cholesky factorized(a, n);
                REQUIRE(factorized.factorize());
                factorized.solve_inplace({x.data(), n, count, n});
                return x;
            });
        };
        const std::vector<double> x = solve(2), a = random_definite(n);
        CHECK(solve(1) == x);
        double largest = 0, worst = 0, size = 0;
        for (std::size_t c = 0; c < count; ++c)
            for (std::size_t i = 0; i < n; ++i) {
                double product = 0;
                for (std::size_t j = 0; j < n; ++j)
                    product += (i <= j ? a[i + j * n] : a[j + i * n]) * x[j + c * n];
                worst = std::max(worst, std::fabs(product - right[i + c * n]));
                largest = std::max(largest, std::fabs(a[i + i * n]));
                size = std::max(size, std::fabs(x[i + c * n]));
            }
        INFO("n = " << n);
        CHECK(worst <= 4 * static_cast<double>(n) * 0x1p-53 * largest * std::max(size, 1.0));  // backward stable: of ‖A‖ ‖x‖
    }
}

TEST_CASE("a matrix that is not positive definite is told")
{
    std::vector<double> a = random_definite(400);
    a[350 + 350 * 400] = -1;
    CHECK_FALSE(detail::cholesky(a, 400).factorize());
}
