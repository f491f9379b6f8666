#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

#include <weightscope/analyzers/principal_angles.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// diag(3, 2, 1, 0...) of 6 x 4, with the rows 0 and 5 turned against each other by `degrees`
xt::xtensor<double, 2> turned_diagonal(double degrees)
{
    const double angle = degrees * std::numbers::pi / 180;
    xt::xtensor<double, 2> w = xt::zeros<double>({6, 4});
    w(0, 0) = 3 * std::cos(angle);
    w(5, 0) = 3 * std::sin(angle);
    w(1, 1) = 2;
    w(2, 2) = 1;
    return w;
}

}  // namespace

TEST_CASE("an axis that is turned shows its angle, small or large, on its side alone")
{
    const xt::xtensor<double, 2> straight = turned_diagonal(0);
    for (const double degrees : {1e-9, 0.001, 5.0, 44.0, 46.0, 80.0, 90.0}) {
        const xt::xtensor<double, 2> turned = turned_diagonal(degrees);
        const principal_angles_result r = analyze_principal_angles(straight, turned, {.count = 3});
        INFO(degrees);
        REQUIRE(r.left.size() == 3);
        CHECK(r.left[0] < 1e-6);
        CHECK(r.left[1] < 1e-6);
        CHECK(r.left[2] == Approx(degrees).epsilon(1e-7).margin(1e-9));
        CHECK(r.right.back() < 1e-6);
        // turned over, the sides change places
        const xt::xtensor<double, 2> a = xt::transpose(straight), b = xt::transpose(turned);
        const principal_angles_result over = analyze_principal_angles(a, b, {.count = 3});
        CHECK(over.right[2] == Approx(degrees).epsilon(1e-7).margin(1e-9));
        CHECK(over.left.back() < 1e-6);
    }
}

TEST_CASE("angles do not mind scale, sign, order and extreme magnitudes")
{
    const xt::xtensor<double, 2> a = random_normal<double>({30, 20}, {.seed = 1}), b = random_normal<double>({30, 20}, {.seed = 2});
    const principal_angles_result plain = analyze_principal_angles(a, b, {.count = 4}), swapped = analyze_principal_angles(b, a, {.count = 4});
    xt::xtensor<double, 2> scaled = b;
    for (double& x : scaled)
        x *= -1e-200;
    const principal_angles_result other = analyze_principal_angles(a, scaled, {.count = 4});
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(swapped.left[i] == Approx(plain.left[i]).epsilon(1e-9));
        CHECK(other.left[i] == Approx(plain.left[i]).epsilon(1e-9));
        CHECK(other.right[i] == Approx(plain.right[i]).epsilon(1e-9));
    }
    CHECK(plain.left.back() > 60);  // unrelated directions
}

TEST_CASE("the angles are those of numpy")
{
    // i, j = numpy.mgrid[:5, :4]; a = numpy.sin(1.0 + 3 * i + j * j); b = numpy.cos(2.0 * i - j + i * j)
    // u = lambda w: numpy.linalg.svd(w)[0][:, :2]; v = lambda w: numpy.linalg.svd(w)[2][:2].T
    // numpy.degrees(numpy.arccos(numpy.linalg.svd(u(a).T @ u(b))[1])), and the same of v
    xt::xtensor<double, 2> a = xt::empty<double>({5, 4}), b = a;
    for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t j = 0; j < 4; ++j) {
            const auto x = static_cast<double>(i), y = static_cast<double>(j);
            a(i, j) = std::sin(1 + 3 * x + y * y);
            b(i, j) = std::cos(2 * x - y + x * y);
        }
    const principal_angles_result r = analyze_principal_angles(a, b, {.count = 2});
    CHECK(r.left[0] == Approx(41.41720493202184).epsilon(1e-9));
    CHECK(r.left[1] == Approx(74.6798489772857).epsilon(1e-9));
    CHECK(r.right[0] == Approx(14.347759976023676).epsilon(1e-9));
    CHECK(r.right[1] == Approx(63.32145055450746).epsilon(1e-9));
}

TEST_CASE("the dimension is at most that of the matrix, and zero matrices have no directions")
{
    const xt::xtensor<float, 2> a = random_normal<float>({3, 5}, {.seed = 1}), zero = xt::zeros<float>({3, 5});
    const principal_angles_result whole = analyze_principal_angles(a, a);
    CHECK(whole.left.size() == 3);
    CHECK(whole.left.back() < 1e-6);
    CHECK(analyze_principal_angles(a, zero).reason == "all zero");
    const xt::xtensor<float, 2> none = xt::empty<float>({0, 5});
    CHECK(analyze_principal_angles(none, none).reason == "no entries");
}

TEST_CASE("what cannot be compared is refused")
{
    xt::xtensor<float, 2> a = random_normal<float>({3, 5}, {.seed = 1});
    CHECK_THROWS_WITH(analyze_principal_angles(a, a, {.count = 0}),
                      "weightscope::analyze_principal_angles(a, b, options): count is 0, expected 1 or more");
    const xt::xtensor<float, 2> other = random_normal<float>({5, 3}, {.seed = 1});
    CHECK_THROWS_WITH(analyze_principal_angles(a, other), "weightscope::analyze_principal_angles(a, b): the shapes differ, expected equal ones");
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(analyze_principal_angles(vector, vector), "weightscope::analyze_principal_angles(a, b): weights have rank 1, expected 2 or more");
    a(0, 0) = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(analyze_principal_angles(a, a), "weightscope::analyze_principal_angles(a, b): an entry is inf, expected finite");
}
