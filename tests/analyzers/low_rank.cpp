#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("low rank by hand")
{
    // diag(3, 2, 1) in 3 x 4: energies 9, 4, 1 of 14; 9 / 14 = 0.643, 13 / 14 = 0.929
    xt::xtensor<double, 2> w = xt::zeros<double>({3, 4});
    w(0, 0) = 3;
    w(1, 1) = -2;
    w(2, 2) = 1;
    const low_rank_result found = analyze_low_rank(w, {.energies = {0.5, 0.9, 0.95, 1}});
    CHECK(found.break_even_rank == Approx(12.0 / 7).epsilon(1e-15));
    CHECK(found.largest_rank == 1);
    REQUIRE(found.factors.size() == 4);
    CHECK(found.factors[0].rank == 1);
    CHECK(found.factors[0].parameters == 7);
    CHECK(found.factors[0].saved_fraction == Approx(5.0 / 12).epsilon(1e-15));
    CHECK(found.factors[0].relative_error == Approx(std::sqrt(5.0 / 14)).epsilon(1e-12));
    CHECK(found.factors[1].rank == 2);
    CHECK(found.factors[1].relative_error == Approx(std::sqrt(1.0 / 14)).epsilon(1e-12));
    CHECK(found.factors[1].saved_fraction == Approx(1 - 14.0 / 12).epsilon(1e-15));
    CHECK(found.factors[2].rank == 3);
    CHECK(found.factors[3].rank == 3);
    CHECK(found.factors[3].relative_error == 0);
    CHECK(found.least_error.value == Approx(std::sqrt(5.0 / 14)).epsilon(1e-12));
    CHECK(found.stable_rank.value == Approx(14.0 / 9).epsilon(1e-12));
    CHECK(found.classic_lora_rank.value == 4);
}

TEST_CASE("a product of thin factors has their rank and no error beyond it")
{
    const xt::xtensor<double, 2> a = random_normal<double>({40, 3}, {.seed = 1}), b = random_normal<double>({3, 30}, {.seed = 2});
    xt::xtensor<double, 2> w = xt::zeros<double>({40, 30});
    for (std::size_t i = 0; i < 40; ++i)
        for (std::size_t j = 0; j < 30; ++j)
            for (std::size_t k = 0; k < 3; ++k)
                w(i, j) += a(i, k) * b(k, j);
    const low_rank_result found = analyze_low_rank(w, {.energies = {0.999999}});
    CHECK(found.factors.front().rank == 3);
    CHECK(found.factors.front().relative_error < 1e-6);  // the Gram matrix squares the singular values
    CHECK(found.factors.front().saved_fraction == Approx(1 - 210.0 / 1200).epsilon(1e-15));
    // a Gaussian matrix cannot be compressed: its factors of 99 % are larger than itself
    CHECK(analyze_low_rank(random_normal<double>({40, 30}, {.seed = 3})).factors.back().saved_fraction < 0);
}

TEST_CASE("low rank of a matrix that has no spectrum")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({4, 5});
    CHECK(analyze_low_rank(zero).factors.empty());
    CHECK(analyze_low_rank(zero).least_error.reason == "all zero");
    xt::xtensor<float, 2> broken = zero;
    broken(1, 1) = std::numeric_limits<float>::infinity();
    CHECK(analyze_low_rank(broken).least_error.reason == "entries that are not finite");
    CHECK(analyze_low_rank(broken).break_even_rank == Approx(20.0 / 9).epsilon(1e-15));
    CHECK(analyze_low_rank(xt::xtensor<float, 2>(xt::zeros<float>({0, 5}))).least_error.reason == "no entries");
    const xt::xtensor<float, 1> vector = xt::zeros<float>({4});
    CHECK_THROWS_WITH(analyze_low_rank(vector), "weightscope::analyze_low_rank(weights): weights have rank 1, expected 2 or more");
    CHECK_THROWS_WITH(analyze_low_rank(zero, {.energies = {1.5}}),
                      "weightscope::analyze_low_rank(weights, options): options.energies has 1.5, expected above 0 and at most 1");
}
