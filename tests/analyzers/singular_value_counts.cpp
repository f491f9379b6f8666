#include <cstddef>
#include <vector>

#include <weightscope/analyzers/singular_value_counts.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

TEST_CASE("counts of singular values above thresholds between known ones")
{
    const std::size_t n = 60;
    const auto spectrum = geometric_spectrum(n, 1e5);
    std::vector<double> thresholds;
    for (std::size_t i = 1; i < n; ++i)
        thresholds.push_back((spectrum[i - 1] + spectrum[i]) / 2);
    for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{60, 60}, {60, 90}, {90, 60}}) {
        const auto counts = count_singular_values(with_spectrum(rows, cols, spectrum), thresholds);
        REQUIRE(counts.size() == n - 1);
        for (std::size_t i = 0; i < counts.size(); ++i) {
            CHECK(counts[i].at_least == i + 1);
            CHECK(counts[i].at_most == i + 1);
        }
    }
}

TEST_CASE("a threshold on a singular value, or where the Gram matrix sees nothing, leaves a range")
{
    const xt::xtensor<double, 2> w = {{2, 0}, {0, 1}};
    const auto counts = count_singular_values(w, std::vector<double>{1, 3, 0});
    CHECK(counts[0].at_least == 1);
    CHECK(counts[0].at_most == 2);
    CHECK(counts[1].at_most == 0);
    CHECK(counts[2].at_least == 2);
    const xt::xtensor<double, 2> ones = xt::ones<double>({50, 40});  // rank 1
    const auto of_ones = count_singular_values(ones, std::vector<double>{0, 1e-3});
    CHECK(of_ones[0].at_least <= 1);
    CHECK(of_ones[0].at_most == 40);
    CHECK(of_ones[1].at_least == 1);
    CHECK(of_ones[1].at_most == 1);
}

TEST_CASE("what counting refuses")
{
    const xt::xtensor<float, 2> w = {{1, 2}}, empty = xt::empty<float>({0, 3});
    CHECK_THROWS_WITH(count_singular_values(w, std::vector<double>{-1}),
                      "weightscope::count_singular_values(weights, thresholds): a threshold is -1, expected 0 or more");
    CHECK(count_singular_values(empty, std::vector<double>{1}).at(0).at_most == 0);
}
