#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

namespace {

// Every known singular value lies inside its interval, and the intervals are no wider than the design allows.
void check_intervals(const std::string& name, const singular_values_result& result, const std::vector<double>& exact)
{
    INFO(name << ", method " << result.method);
    REQUIRE(result.values.size() == exact.size());
    const double largest = exact.front(), n = static_cast<double>(exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
        INFO("sigma " << i << " is " << exact[i] << ", found " << result.values[i] << " +- " << result.half_widths[i]);
        CHECK(std::fabs(result.values[i] - exact[i]) <= result.half_widths[i]);
        const double allowed = result.values[i] > 0 ? 4 * std::sqrt(n) * 0x1p-53 * largest * largest / result.values[i] : INFINITY;
        CHECK(result.half_widths[i] <= (allowed + 1e-13 * largest) * (1 + 1e-9));
    }
    CHECK(std::is_sorted(result.values.rbegin(), result.values.rend()));
}

}  // namespace

TEST_CASE("singular values of a 2 x 2 matrix by hand")
{
    // {{3, 0}, {4, 5}}: W^T W = {{25, 20}, {20, 25}} has eigenvalues 45 and 5
    const xt::xtensor<double, 2> w = {{3, 0}, {4, 5}};
    const auto result = analyze_singular_values(w);
    CHECK(result.values[0] == Approx(std::sqrt(45.0)).epsilon(1e-15));
    CHECK(result.values[1] == Approx(std::sqrt(5.0)).epsilon(1e-15));
    CHECK(result.method == "gram");
}

TEST_CASE("known spectra lie inside their intervals for condition numbers from 1 to 1e12")
{
    for (const double kappa : {1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e10, 1e12})
        for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{96, 96}, {64, 200}, {200, 64}}) {
            const std::size_t n = std::min(rows, cols);
            const std::string name = fmt::format("kappa {:g}, {} x {}", kappa, rows, cols);
            for (const auto& [kind, spectrum] : {std::pair<std::string, std::vector<double>>{"geometric ", geometric_spectrum(n, kappa)},
                                                 {"flat plus one small ", flat_plus_one_small(n, kappa)},
                                                 {"one spike ", one_spike(n, kappa)}})
                check_intervals(kind + name, analyze_singular_values(with_spectrum(rows, cols, spectrum)), spectrum);
        }
}

TEST_CASE("a few values below what the Gram matrix resolves are found with the matrix itself")
{
    const std::size_t n = 288;
    const auto lowest = [&](std::vector<double> values) {
        std::vector<double> spectrum = geometric_spectrum(n, 10);
        std::copy(values.begin(), values.end(), spectrum.end() - static_cast<std::ptrdiff_t>(values.size()));
        std::sort(spectrum.rbegin(), spectrum.rend());
        return spectrum;
    };
    const auto check = [&](const std::string& name, const std::vector<double>& spectrum) {
        for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{n, n}, {n, 400}, {500, n}}) {
            const auto result = analyze_singular_values(with_spectrum(rows, cols, spectrum));
            check_intervals(fmt::format("{}, {} x {}", name, rows, cols), result, spectrum);
            CHECK(result.method == "refined");
            CHECK(result.half_widths.back() == 1e-13 * result.values.front());
            CHECK(result.half_widths.front() > 1e-13 * result.values.front());
        }
    };
    for (const double kappa : {1e6, 1e8, 1e10, 1e12, 1e14}) {
        const std::string name = fmt::format("kappa {:g}, ", kappa);
        check(name + "one", lowest({1 / kappa}));
        check(name + "five equal", lowest(std::vector<double>(5, 1 / kappa)));
        check(name + "a cluster", lowest({1.02 / kappa, 1.01 / kappa, 1 / kappa, 0.5 / kappa}));
        check(name + "graded", lowest({1e-4, 1e-6, 1e-7, 1e-3 / kappa, 1 / kappa}));
    }
    check("zeros", lowest({1e-9, 1e-13, 0, 0, 0}));
    check("thirty", lowest(std::vector<double>(30, 1e-9)));
}

TEST_CASE("more values than a refinement is for are left to an SVD")
{
    const auto spectrum = geometric_spectrum(288, 1e9);
    const auto result = analyze_singular_values(with_spectrum(288, 300, spectrum));
    CHECK(result.method == "qr");
    check_intervals("geometric", result, spectrum);
}

TEST_CASE("rows of zeros in a large matrix are zeros of its spectrum")
{
    for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{320, 320}, {320, 500}}) {
        xt::xtensor<float, 2> w = random_normal<float>({rows, cols}, {.seed = 12, .std = 0.02});
        for (const std::size_t row : {0, 40, 41, 319})
            xt::view(w, row, xt::all()) = 0;
        const xt::xtensor<bfloat16, 2> rounded = xt::cast<bfloat16>(w);
        const auto result = analyze_singular_values(rounded);
        CHECK(result.method == "refined");
        for (std::size_t i = 316; i < 320; ++i)
            CHECK(result.values[i] <= result.half_widths[i]);
        const auto reference = detail::singular_values_by_qr(
            detail::matrix_of(detail::source_of(std::span<const bfloat16>(rounded.data(), rounded.size())), rows), 1);
        for (std::size_t i = 0; i < 320; ++i)
            CHECK(std::fabs(result.values[i] - reference[i]) <= result.half_widths[i] + 1e-13 * reference[0]);
    }
}

TEST_CASE("a refined spectrum scales with the weights and is the same for any number of threads")
{
    std::vector<double> spectrum = geometric_spectrum(270, 30);
    spectrum.back() = 1e-9;
    const auto w = with_spectrum(270, 290, spectrum);
    const auto expected = analyze_singular_values(w);
    REQUIRE(expected.method == "refined");
    for (const double factor : {0x1p-900, 0x1p900}) {
        const auto scaled = analyze_singular_values(w * factor);
        CHECK(scaled.method == "refined");
        CHECK(scaled.values.back() == Approx(factor * expected.values.back()).epsilon(1e-4));  // +-1e-13 of 1e-9
        CHECK(scaled.half_widths.back() == Approx(factor * expected.half_widths.back()).epsilon(1e-12));
    }
    for (const std::size_t threads : {1, 2, 3})
        CHECK(with_threads(threads, [&] { return analyze_singular_values(w); }).values == expected.values);
}

TEST_CASE("the Gram route is more accurate than a float32 SVD up to a condition number of 1e7")
{
    // a float32 SVD has errors of some 2^-24 sigma_max: 1e-6 relative at kappa 1e2, 6e-3 at 1e7
    for (const double kappa : {1e2, 1e4, 1e5, 1e6, 1e7}) {
        const auto spectrum = geometric_spectrum(128, kappa);
        const auto result = analyze_singular_values(with_spectrum(128, 192, spectrum), {.smallest_tolerance = INFINITY});
        CHECK(result.method == "gram");
        double worst = 0;
        for (std::size_t i = 0; i < spectrum.size(); ++i)
            worst = std::max(worst, std::fabs(result.values[i] / spectrum[i] - 1));
        CHECK(worst < 6e-8 * kappa / 10);
    }
}

TEST_CASE("rank-deficient and duplicate-column matrices keep their zeros inside the interval")
{
    auto spectrum = geometric_spectrum(80, 100);
    std::fill(spectrum.begin() + 50, spectrum.end(), 0.0);
    check_intervals("rank 50 of 80", analyze_singular_values(with_spectrum(80, 120, spectrum)), spectrum);

    xt::xtensor<float, 2> twins = random_normal<float>({60, 40}, {.seed = 3});
    xt::view(twins, xt::all(), 7) = xt::view(twins, xt::all(), 31);
    const auto result = analyze_singular_values(twins);
    CHECK(result.method == "qr");
    CHECK(result.values.back() <= result.half_widths.back());
    CHECK(result.values[38] > 0.1);
}

TEST_CASE("storage scalars, integers, views and extreme magnitudes give the values of the same numbers")
{
    const xt::xtensor<float, 2> w = random_normal<float>({24, 17}, {.seed = 5});
    const auto expected = analyze_singular_values(w).values;
    const auto expect = [&](const auto& view, double factor) {
        const auto values = analyze_singular_values(view).values;
        REQUIRE(values.size() == expected.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            CHECK(values[i] == Approx(factor * expected[i]).epsilon(1e-12));
    };
    expect(xt::transpose(w), 1);
    const xt::xtensor<float, 2, xt::layout_type::column_major> columns = w;
    expect(columns, 1);
    expect(2 * w, 2);
    xt::xtensor<float, 2> wide = random_normal<float>({24, 40}, {.seed = 6});
    xt::view(wide, xt::all(), xt::range(3, 20)) = w;
    expect(xt::view(wide, xt::all(), xt::range(3, 20)), 1);
    const xt::xtensor<double, 2> wd = xt::cast<double>(w);
    expect(wd * 0x1p900, 0x1p900);   // squares would overflow
    expect(wd * 0x1p-900, 0x1p-900);  // or vanish

    const xt::xtensor<float, 4> kernel = xt::reshape_view(random_normal<float>({6, 36}, {.seed = 8}), {6, 4, 3, 3});
    CHECK(analyze_singular_values(kernel).values == analyze_singular_values(random_normal<float>({6, 36}, {.seed = 8})).values);

    // Sylvester's Hadamard matrix of order 4: every singular value is 2
    const xt::xtensor<std::int8_t, 2> hadamard = {{1, 1, 1, 1}, {1, -1, 1, -1}, {1, 1, -1, -1}, {1, -1, -1, 1}};
    for (const double value : analyze_singular_values(hadamard).values)
        CHECK(value == Approx(2.0).epsilon(1e-15));
}

TEST_CASE("empty, single and zero matrices have the spectrum that the definition gives")
{
    CHECK(analyze_singular_values(xt::xtensor<float, 2>(xt::empty<float>({0, 7}))).values.empty());
    const xt::xtensor<float, 2> one = {{-3}};
    CHECK(analyze_singular_values(one).values == std::vector<double>{3});
    const xt::xtensor<float, 2> zero = xt::zeros<float>({3, 5});
    CHECK(analyze_singular_values(zero).values == std::vector<double>(3, 0.0));
}

TEST_CASE("singular values agree within their intervals for any number of threads")
{
    const auto w = random_normal<float>({300, 200}, {.seed = 9});
    const auto with = [&](std::size_t threads) {
        const detail::blas_threads blas(threads);
        return analyze_singular_values(w);
    };
    const auto one = with(1);
    for (const std::size_t threads : {2, 3}) {
        const auto many = with(threads);
        for (std::size_t i = 0; i < one.values.size(); ++i)
            CHECK(std::fabs(many.values[i] - one.values[i]) <= one.half_widths[i] + many.half_widths[i]);
    }
}

TEST_CASE("what has no spectrum is refused")
{
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(analyze_singular_values(vector), "weightscope::analyze_singular_values(weights): weights have rank 1, expected 2 or more");
    const xt::xtensor<float, 2> broken = {{1, NAN}, {2, 3}};
    CHECK_THROWS_WITH(analyze_singular_values(broken), "weightscope::analyze_singular_values(weights): an entry is nan, expected finite");
    const xt::xtensor<float, 2> infinite = {{1, 4}, {-INFINITY, 3}};
    CHECK_THROWS_WITH(analyze_singular_values(infinite), "weightscope::analyze_singular_values(weights): an entry is inf, expected finite");
}
