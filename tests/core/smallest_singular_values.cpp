#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/linalg.hpp>
#include <weightscope/core/smallest_singular_values.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// A diagonal matrix, on which every number can be followed: M^-1 divides.
struct diagonal_products
{
    std::vector<double> values;
    double shift;

    detail::dense_columns times(detail::dense_columns x) const
    {
        for (std::size_t i = 0; i < x.data.size(); ++i)
            x.data[i] *= values[i % values.size()];
        return x;
    }
    detail::dense_columns transposed_times(const detail::dense_columns& x) const { return times(x); }
    void solve_inplace(detail::dense_columns& x) const
    {
        for (std::size_t i = 0; i < x.data.size(); ++i)
            x.data[i] /= values[i % values.size()] * values[i % values.size()] + shift;
    }
};

std::vector<double> evenly_from_one(std::size_t n)
{
    std::vector<double> values(n);
    for (std::size_t i = 0; i < n; ++i)
        values[i] = 1 - 0.9 * static_cast<double>(i) / static_cast<double>(n);
    return values;
}

}  // namespace

TEST_CASE("the smallest singular values of a diagonal matrix are its smallest entries")
{
    std::vector<double> values = evenly_from_one(64);
    values[5] = 3e-7;
    values[17] = 2e-11;
    values[40] = 0;
    const detail::smallest_values_request request{.rows = 64, .cols = 64, .count = 3, .bound = 0.05, .largest = 1};
    const auto found = detail::smallest_singular_values(diagonal_products{values, 1e-14}, request);
    REQUIRE(found.size() == 3);
    CHECK(std::fabs(found[0] - 3e-7) <= 1e-13);
    CHECK(std::fabs(found[1] - 2e-11) <= 1e-13);
    CHECK(std::fabs(found[2]) <= 1e-13);
}

TEST_CASE("values that repeat more often than columns are asked for are not taken for the whole")
{
    // twelve equal ones, of which four are asked for: nothing lies below the bound that is not among them, but they reach it
    std::vector<double> values = evenly_from_one(64);
    std::fill(values.begin(), values.begin() + 12, 1e-8);
    detail::smallest_values_request request{.rows = 64, .cols = 64, .count = 4, .bound = 1e-8, .largest = 1};
    CHECK(detail::smallest_singular_values(diagonal_products{values, 1e-14}, request).empty());
    request.count = 12;
    request.bound = 0.05;
    const auto found = detail::smallest_singular_values(diagonal_products{values, 1e-14}, request);
    REQUIRE(found.size() == 12);
    CHECK(std::fabs(found.front() - 1e-8) <= 1e-13);
    CHECK(std::fabs(found.back() - 1e-8) <= 1e-13);
}

TEST_CASE("a preconditioner that leads nowhere ends the search without values")
{
    std::vector<double> values = evenly_from_one(64);
    values[3] = 1e-9;
    struct misled : diagonal_products
    {
        void solve_inplace(detail::dense_columns&) const {}
    };
    const detail::smallest_values_request request{.rows = 64, .cols = 64, .count = 1, .bound = 0.05, .largest = 1};
    CHECK(detail::smallest_singular_values(misled{{values, 0}}, request).empty());
}

TEST_CASE("factors of small matrices give the matrices back")
{
    // {{0, 2}, {1, 0}}: values 2 and 1
    std::vector<double> a = {0, 1, 2, 0};
    const detail::singular_triplets found = detail::decompose_small({a.data(), 2, 2, 2});
    CHECK(found.values[0] == Approx(2).epsilon(1e-15));
    CHECK(found.values[1] == Approx(1).epsilon(1e-15));
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 2; ++j) {
            double sum = 0;
            for (std::size_t k = 0; k < 2; ++k)
                sum += found.left[i + 2 * k] * found.values[k] * found.right[k + 2 * j];
            CHECK(sum == Approx(i == 0 && j == 1 ? 2 : i == 1 && j == 0 ? 1 : 0).margin(1e-15));
        }

    // columns (3, 4, 0) and (3, 4, 5) span what (0.6, 0.8, 0) and (0, 0, 1) do
    std::vector<double> x = {3, 4, 0, 3, 4, 5};
    detail::orthonormalize_inplace({x.data(), 3, 2, 3});
    CHECK(std::fabs(x[0]) == Approx(0.6).epsilon(1e-15));
    CHECK(std::fabs(x[1]) == Approx(0.8).epsilon(1e-15));
    CHECK(x[2] == Approx(0).margin(1e-15));
    CHECK(std::fabs(x[5]) == Approx(1).epsilon(1e-15));
}
