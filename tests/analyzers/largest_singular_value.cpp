#include <cmath>
#include <cstddef>
#include <limits>

#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

TEST_CASE("the largest singular value of a small matrix comes from its Gram matrix")
{
    const xt::xtensor<double, 2> w = {{3, 0}, {4, 5}};  // 45 and 5 are the eigenvalues of W^T W
    const auto result = analyze_largest_singular_value(w);
    CHECK(result.value.value == Approx(std::sqrt(45.0)).epsilon(1e-15));
    CHECK(result.stable_rank.value == Approx(50.0 / 45).epsilon(1e-15));
    CHECK(result.converged);
    CHECK(result.method == "gram");
}

TEST_CASE("Lanczos agrees with all singular values, tall and wide")
{
    for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{800, 900}, {1000, 780}}) {
        const auto w = random_normal<float>({rows, cols}, {.seed = rows});
        const auto all = analyze_singular_values(w);
        double squares = 0;
        for (const double value : all.values)
            squares += value * value;
        const auto result = analyze_largest_singular_value(w);
        REQUIRE(result.method == "lanczos");
        CHECK(result.converged);
        CHECK(std::fabs(result.value.value - all.values[0]) <= 1e-6 * all.values[0]);
        CHECK(std::fabs(result.value.value - all.values[0]) <= result.half_width);
        CHECK(result.stable_rank.value == Approx(squares / (all.values[0] * all.values[0])).epsilon(2e-6));

        const auto sharper = analyze_largest_singular_value(w, {.tolerance = 1e-13});
        CHECK(std::fabs(sharper.value.value - all.values[0]) <= 1e-13 * all.values[0]);
        CHECK(sharper.steps > result.steps);
        CHECK(analyze_largest_singular_value(w, {.max_steps = 3}).converged == false);
    }
}

TEST_CASE("a dominating direction takes a few steps, a repeated largest value does no harm")
{
    const std::size_t n = 800;
    const auto spike = with_spectrum(n, n, one_spike(n, 1e3));
    const auto result = analyze_largest_singular_value(spike);
    CHECK(result.steps <= 5);
    CHECK(result.value.value == Approx(1).epsilon(1e-9));
    CHECK(result.stable_rank.value == Approx(1 + 799e-6).epsilon(1e-9));

    const auto flat = with_spectrum(n, n, flat_plus_one_small(n, 1e3));
    CHECK(analyze_largest_singular_value(flat).value.value == Approx(1).epsilon(1e-9));

    const xt::xtensor<float, 2> identity = xt::eye<float>(n);
    const auto of_identity = analyze_largest_singular_value(identity);
    CHECK(of_identity.value.value == Approx(1).epsilon(1e-12));
    CHECK(of_identity.stable_rank.value == Approx(static_cast<double>(n)).epsilon(1e-12));
}

TEST_CASE("a rank-one matrix ends the search after its second step")
{
    const xt::xtensor<float, 2> ones = xt::ones<float>({900, 1000});
    const auto result = analyze_largest_singular_value(ones);
    CHECK(result.value.value == Approx(std::sqrt(900.0 * 1000)).epsilon(1e-12));
    CHECK(result.stable_rank.value == Approx(1).epsilon(1e-12));
    CHECK(result.steps <= 2);
    CHECK(result.converged);
}

TEST_CASE("the largest singular value has the same bits for any number of threads")
{
    const auto w = random_normal<float>({1000, 800}, {.seed = 4});
    const auto once = with_threads(1, [&] { return analyze_largest_singular_value(w); });
    for (const std::size_t threads : {2, 4}) {
        const auto again = with_threads(threads, [&] { return analyze_largest_singular_value(w); });
        CHECK(again.value.value == once.value.value);
        CHECK(again.stable_rank.value == once.stable_rank.value);
    }
}

TEST_CASE("elements of other types and of any size are searched exactly")
{
    const auto w = random_normal<double>({800, 800}, {.seed = 5});
    const double value = analyze_largest_singular_value(w).value.value;
    const xt::xtensor<double, 2> huge = w * 0x1p1000, tiny = w * 0x1p-1000;
    CHECK(analyze_largest_singular_value(huge).value.value == Approx(value * 0x1p1000).epsilon(1e-12));
    CHECK(analyze_largest_singular_value(tiny).value.value == Approx(value * 0x1p-1000).epsilon(1e-12));
    const auto half = random_normal<bfloat16>({800, 801}, {.seed = 5});
    CHECK(analyze_largest_singular_value(half).value.value == Approx(analyze_singular_values(half).values[0]).epsilon(1e-6));
}

TEST_CASE("the largest singular value of nothing and of zeros")
{
    const xt::xtensor<float, 2> empty = xt::empty<float>({0, 5}), zeros = xt::zeros<float>({900, 900});
    CHECK(analyze_largest_singular_value(empty).value.reason == "empty");
    CHECK(analyze_largest_singular_value(zeros).value.value == 0);
    CHECK(analyze_largest_singular_value(zeros).stable_rank.reason == "all entries are zero");
}

TEST_CASE("what the search for the largest singular value refuses")
{
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(analyze_largest_singular_value(vector),
                      "weightscope::analyze_largest_singular_value(weights): weights have rank 1, expected 2 or more");
    const xt::xtensor<float, 2> broken = {{1, std::numeric_limits<float>::infinity()}};
    CHECK_THROWS_WITH(analyze_largest_singular_value(broken), "weightscope::analyze_largest_singular_value(weights): an entry is inf, expected finite");
    const xt::xtensor<float, 2> w = {{1, 2}};
    CHECK_THROWS_WITH(analyze_largest_singular_value(w, {.tolerance = 0}),
                      "weightscope::analyze_largest_singular_value(weights, options): tolerance is 0, expected above 0");
    CHECK_THROWS_WITH(analyze_largest_singular_value(w, {.max_steps = 0}),
                      "weightscope::analyze_largest_singular_value(weights, options): max_steps is 0, expected 1 or more");
}
