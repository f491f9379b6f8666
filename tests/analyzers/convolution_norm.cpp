#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// The circular convolution of an n x n image with w [out, in, kh, kw] as one matrix [out n n, in n n].
xt::xtensor<double, 2> circulant(const xt::xtensor<double, 4>& w, std::size_t n)
{
    const std::size_t out = w.shape(0), in = w.shape(1), pixels = n * n;
    xt::xtensor<double, 2> matrix = xt::zeros<double>({out * pixels, in * pixels});
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t i = 0; i < in; ++i)
            for (std::size_t y = 0; y < n; ++y)
                for (std::size_t x = 0; x < n; ++x)
                    for (std::size_t a = 0; a < w.shape(2); ++a)
                        for (std::size_t b = 0; b < w.shape(3); ++b)
                            matrix(o * pixels + y * n + x, i * pixels + (y + a) % n * n + (x + b) % n) += w(o, i, a, b);
    return matrix;
}

void check_against_matrix(const xt::xtensor<double, 4>& w, std::size_t n)
{
    const auto expected = analyze_singular_values(circulant(w, n)).values;
    const auto found = analyze_convolution_norm(w, {.input_size = n});
    INFO(w.shape(0) << " x " << w.shape(1) << " x " << w.shape(2) << " x " << w.shape(3) << " on " << n);
    CHECK(found.operator_norm == Approx(expected.front()).epsilon(1e-11));
    // a matrix with more inputs than outputs has its smallest singular value here too: min(out, in) for each frequency
    CHECK(found.min_singular_value == Approx(expected.back()).epsilon(1e-7).margin(1e-9 * expected.front()));
}

}  // namespace

TEST_CASE("a convolution's norm is that of the matrix that it stands for")
{
    check_against_matrix(random_normal<double>({3, 2, 3, 3}, {.seed = 1}), 4);
    check_against_matrix(random_normal<double>({2, 3, 3, 3}, {.seed = 2}), 5);
    check_against_matrix(random_normal<double>({2, 2, 1, 3}, {.seed = 3}), 6);
    check_against_matrix(random_normal<double>({2, 2, 2, 1}, {.seed = 4}), 3);
    check_against_matrix(random_normal<double>({4, 3, 1, 1}, {.seed = 5}), 3);
    check_against_matrix(random_normal<double>({2, 2, 5, 5}, {.seed = 6}), 3);  // the kernel laps the image
    check_against_matrix(random_normal<double>({2, 2, 3, 3}, {.seed = 7}), 1);
}

TEST_CASE("norms of convolutions by hand")
{
    // the mean of three neighbours: frequency 0 passes unchanged; at 2π/3 the three cancel
    xt::xtensor<double, 3> mean = xt::ones<double>({1, 1, 3}) / 3.0;
    auto r = analyze_convolution_norm(mean, {.input_size = 12});
    CHECK(r.operator_norm == Approx(1).epsilon(1e-12));
    CHECK(r.min_singular_value == Approx(0).margin(1e-7));
    CHECK(r.frequency_count == 7);  // 0, ±1 ... ±5, 6
    // the difference of two neighbours: 2 at the highest frequency, |1 - e^(2πi 2/5)| = 2 sin(2π/5) where there are five points
    const xt::xtensor<double, 3> difference = {{{1, -1}}};
    CHECK(analyze_convolution_norm(difference, {.input_size = 8}).operator_norm == Approx(2).epsilon(1e-12));
    CHECK(analyze_convolution_norm(difference, {.input_size = 5}).operator_norm == Approx(2 * std::sin(2 * std::acos(-1.0) / 5)).epsilon(1e-12));
    // the reshaped matrix has the norm √2 for both
    CHECK(analyze_singular_values(difference).values.front() == Approx(std::sqrt(2)));
    // three dimensions
    const xt::xtensor<float, 5> box = xt::ones<float>({1, 1, 2, 2, 2});
    CHECK(analyze_convolution_norm(box, {.input_size = 4}).operator_norm == Approx(8).epsilon(1e-12));
}

TEST_CASE("a convolution that is padded with zeros has no larger norm than one of an input larger by the kernel's reach")
{
    for (const std::uint64_t seed : {21, 22, 23}) {
        const xt::xtensor<double, 3> w = random_normal<double>({2, 2, 3}, {.seed = seed});
        constexpr std::size_t n = 5;
        xt::xtensor<double, 2> padded = xt::zeros<double>({2 * n, 2 * n});
        for (std::size_t o = 0; o < 2; ++o)
            for (std::size_t i = 0; i < 2; ++i)
                for (std::size_t x = 0; x < n; ++x)
                    for (std::size_t t = 0; t < 3; ++t)
                        if (x + t >= 1 && x + t - 1 < n)
                            padded(o * n + x, i * n + x + t - 1) = w(o, i, t);
        CHECK(analyze_singular_values(padded).values.front() <= analyze_convolution_norm(w, {.input_size = n + 2}).operator_norm * (1 + 1e-12));
    }
}

TEST_CASE("groups do not mix, so that the largest counts")
{
    const xt::xtensor<double, 3> depthwise = {{{1, 1}}, {{3, 1}}, {{-2, 1}}};
    CHECK(analyze_convolution_norm(depthwise, {.input_size = 4, .groups = 3}).operator_norm == Approx(4).epsilon(1e-12));
    CHECK(analyze_convolution_norm(depthwise, {.input_size = 4, .groups = 3}).min_singular_value == Approx(0).margin(1e-7));
    CHECK(analyze_convolution_norm(depthwise, {.input_size = 4}).operator_norm > 4);
}

TEST_CASE("tap spectra are those of the matrices at each tap")
{
    const xt::xtensor<float, 4> w = random_normal<float>({5, 4, 2, 3}, {.seed = 11});
    const auto r = analyze_tap_spectra(w);
    REQUIRE(r.tap_count == 6);
    REQUIRE(r.taps.size() == 6);
    double energy = 0;
    for (std::size_t t = 0; t < 6; ++t) {
        const xt::xtensor<float, 2> tap = xt::view(w, xt::all(), xt::all(), t / 3, t % 3);
        const auto expected = analyze_singular_values(tap).values;
        REQUIRE(r.taps[t].values.size() == 4);
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(r.taps[t].values[i] == Approx(expected[i]).epsilon(1e-12));
            energy += r.taps[t].values[i] * r.taps[t].values[i];
        }
    }
    double expected = 0;
    for (const double sigma : analyze_singular_values(w).values)
        expected += sigma * sigma;
    CHECK(energy == Approx(expected).epsilon(1e-12));
}

TEST_CASE("what is no convolution is refused")
{
    const xt::xtensor<float, 2> matrix = {{1, 2}};
    CHECK_THROWS_WITH(analyze_tap_spectra(matrix), "weightscope::analyze_tap_spectra(weights): weights have rank 2, expected 3 or more");
    CHECK_THROWS_WITH(analyze_convolution_norm(matrix), "weightscope::analyze_convolution_norm(weights): weights have rank 2, expected 3 or more");
    const xt::xtensor<float, 3> w = xt::ones<float>({4, 2, 3});
    CHECK_THROWS_WITH(analyze_convolution_norm(w, {.input_size = 0}),
                      "weightscope::analyze_convolution_norm(weights, options): options.input_size is 0, expected 1 or more");
    CHECK_THROWS_WITH(analyze_convolution_norm(w, {.groups = 3}),
                      "weightscope::analyze_convolution_norm(weights, options): options.groups is 3, expected a divisor of the 4 outputs");
    const xt::xtensor<float, 3> broken = {{{1, std::numeric_limits<float>::quiet_NaN()}}};
    CHECK_THROWS_WITH(analyze_tap_spectra(broken), "weightscope::analyze_tap_spectra(weights): an entry is nan, expected finite");
    CHECK_THROWS_WITH(analyze_convolution_norm(broken), "weightscope::analyze_convolution_norm(weights): an entry is nan, expected finite");
    CHECK(analyze_convolution_norm(xt::xtensor<float, 3>(xt::empty<float>({0, 2, 3}))).operator_norm == 0);
    CHECK(analyze_tap_spectra(xt::xtensor<float, 3>(xt::empty<float>({0, 2, 3}))).taps.empty());
}
