#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "known_spectrum.hpp"

using namespace weightscope;

namespace {

xt::xtensor<double, 2> diagonal(const std::vector<double>& values)
{
    xt::xtensor<double, 2> w = xt::zeros<double>({values.size(), values.size()});
    for (std::size_t i = 0; i < values.size(); ++i)
        w(i, i) = values[i];
    return w;
}

}  // namespace

TEST_CASE("the effect on a diagonal matrix is that on its entries")
{
    // sigma 4, 2, 1 -> 4, 2, 0.5: error 0.5 of 4; stable rank 21/16 -> 20.25/16; condition number 4 -> 8; nothing turns
    const spectrum_effect_result r = analyze_spectrum_effect(diagonal({4, 2, 1}), diagonal({4, 2, 0.5}), {.angle_count = 2});
    CHECK(r.relative_spectral_error.value == Approx(0.125).epsilon(1e-12));
    CHECK(r.stable_rank.before.value == Approx(21.0 / 16).epsilon(1e-12));
    CHECK(r.stable_rank.after.value == Approx(20.25 / 16).epsilon(1e-12));
    CHECK(r.stable_rank.change.value == Approx(20.25 / 21).epsilon(1e-12));
    CHECK(r.condition_number.before.value == Approx(4).epsilon(1e-12));
    CHECK(r.condition_number.change.value == Approx(2).epsilon(1e-12));
    CHECK(r.largest_angle.value < 1e-6);
    CHECK(r.angle_count == 2);
    CHECK(r.subspace_gap.value == Approx(0.25).epsilon(1e-12));
    CHECK(r.alpha.change.reason == "too few values");
}

TEST_CASE("two directions that change places are at a right angle, and one that tilts shows its angle")
{
    const spectrum_effect_result swapped = analyze_spectrum_effect(diagonal({4, 3, 1}), diagonal({3, 4, 1}), {.angle_count = 1});
    CHECK(swapped.largest_angle.value == Approx(90).epsilon(1e-9));
    CHECK(swapped.relative_spectral_error.value == Approx(0.25).epsilon(1e-12));
    CHECK(swapped.stable_rank.change.value == Approx(1).epsilon(1e-12));
    // the first column leans out of the plane of the matrix by 20 degrees: the left subspace turns by that, the right one does not
    const double tilt = 20 * std::numbers::pi / 180;
    xt::xtensor<double, 2> straight = xt::zeros<double>({4, 2}), leaning = straight;
    straight(0, 0) = 3;
    leaning(0, 0) = 3 * std::cos(tilt);
    leaning(3, 0) = 3 * std::sin(tilt);
    straight(1, 1) = leaning(1, 1) = 1;
    const spectrum_effect_result tilted = analyze_spectrum_effect(straight, leaning, {.angle_count = 2});
    CHECK(tilted.largest_angle.value == Approx(20).epsilon(1e-7));
    // |3 (1 - cos), 3 sin| is a chord of 20 degrees
    CHECK(tilted.relative_spectral_error.value == Approx(2 * std::sin(tilt / 2)).epsilon(1e-10));
    CHECK(tilted.subspace_gap.value == Approx(1.0 / 3).epsilon(1e-12));
}

TEST_CASE("the effect of rounding is that of numpy")
{
    // i, j = numpy.mgrid[:40, :30]
    // w = numpy.sin(1.0+3*i+j*j) + 0.3*numpy.cos(i*j) + numpy.where((i-j)%7==0, 1.5, 0)*numpy.sin(i+0.5*j); q = numpy.round(w*4)/4
    // s, t = (numpy.linalg.svd(x, compute_uv=False) for x in (w, q)); numpy.linalg.norm(w-q, 2)/s[0]; (s**2).sum()/s[0]**2; s[0]/s[-1]
    // k = 3: numpy.degrees(numpy.arccos(numpy.linalg.svd(u(w).T @ u(q))[1][-1])), u the first k columns of U or V; (s[k-1]-s[k])/s[0]
    // alpha: for each xmin that leaves 10 of the sorted x = s**2: n / log(y/y[0]).sum() + 1, least abs(1-(y/y[0])**(1-alpha) - arange(n)/n).max()
    xt::xtensor<double, 2> w = xt::empty<double>({40, 30}), q = w;
    for (std::size_t i = 0; i < 40; ++i)
        for (std::size_t j = 0; j < 30; ++j) {
            const auto x = static_cast<double>(i), y = static_cast<double>(j);
            const double comb = (i + 35 - j) % 7 == 0 ? 1.5 : 0;
            w(i, j) = std::sin(1.0 + 3 * x + y * y) + 0.3 * std::cos(x * y) + comb * std::sin(x + 0.5 * y);
            q(i, j) = std::nearbyint(w(i, j) * 4) / 4;
        }
    const spectrum_effect_result r = analyze_spectrum_effect(w, q, {.angle_count = 3});
    CHECK(r.relative_spectral_error.value == Approx(0.04339214593788613).epsilon(1e-11));
    CHECK(r.stable_rank.before.value == Approx(2.522057536183253).epsilon(1e-12));
    CHECK(r.stable_rank.after.value == Approx(2.5463920105962465).epsilon(1e-12));
    CHECK(r.condition_number.before.value == Approx(95.1110408724452).epsilon(1e-11));
    CHECK(r.condition_number.after.value == Approx(73.39867033420636).epsilon(1e-11));
    CHECK(r.largest_angle.value == Approx(14.009692429423197).epsilon(1e-9));
    CHECK(r.subspace_gap.value == Approx(0.0084265904407821).epsilon(1e-10));
    CHECK(r.alpha.before.value == Approx(1.582861593859909).epsilon(1e-11));
    CHECK(r.alpha.after.value == Approx(1.5769172350414722).epsilon(1e-11));
    CHECK(r.alpha.change.value == Approx(1.5769172350414722 - 1.582861593859909).epsilon(1e-9));
    CHECK(r.alpha_error.value == Approx(0.582861593859909 / std::sqrt(18.0)).epsilon(1e-11));
}

TEST_CASE("no change has no effect")
{
    const auto w = random_normal<float>({30, 50}, {.seed = 3});
    const spectrum_effect_result r = analyze_spectrum_effect(w, w);
    CHECK(r.relative_spectral_error.value == 0);
    CHECK(r.stable_rank.change.value == 1);
    CHECK(r.condition_number.change.value == 1);
    CHECK(r.alpha.change.value == 0);
    CHECK(r.largest_angle.value < 1e-5);
}

TEST_CASE("scaling, transposing and turning a matrix and its change together changes no figure")
{
    const auto w = random_normal<double>({24, 17}, {.seed = 4});
    xt::xtensor<double, 2> q = w, scaled_w = w, scaled_q = w;
    for (std::size_t i = 0; i < w.size(); ++i) {
        q.data()[i] = std::nearbyint(w.data()[i] * 3) / 3;
        scaled_w.data()[i] = w.data()[i] * -1e-100;
        scaled_q.data()[i] = q.data()[i] * -1e-100;
    }
    const xt::xtensor<double, 2> turned_w = xt::transpose(w), turned_q = xt::transpose(q);
    const spectrum_effect_result plain = analyze_spectrum_effect(w, q, {.angle_count = 4}), turned = analyze_spectrum_effect(turned_w, turned_q, {.angle_count = 4}),
                                 scaled = analyze_spectrum_effect(scaled_w, scaled_q, {.angle_count = 4});
    for (const spectrum_effect_result* other : {&turned, &scaled}) {
        CHECK(other->relative_spectral_error.value == Approx(plain.relative_spectral_error.value).epsilon(1e-10));
        CHECK(other->stable_rank.change.value == Approx(plain.stable_rank.change.value).epsilon(1e-10));
        CHECK(other->condition_number.change.value == Approx(plain.condition_number.change.value).epsilon(1e-10));
        CHECK(other->alpha.change.value == Approx(plain.alpha.change.value).epsilon(1e-8));
        CHECK(other->largest_angle.value == Approx(plain.largest_angle.value).epsilon(1e-8));
    }
    // Weyl: no singular value moves by more than the norm of the error
    CHECK(std::fabs(plain.stable_rank.change.value - 1) > 0);
    CHECK(plain.relative_spectral_error.value > 0.01);
}

TEST_CASE("the norm of the error of a large matrix is found to the tolerance")
{
    // an error of rank one: its norm is |u| |v|; the other matrix is too large for all singular values to be sought for it
    const std::size_t n = 800;
    xt::xtensor<float, 2> w = xt::zeros<float>({n, n}), changed = w;
    for (std::size_t i = 0; i < n; ++i)
        w(i, i) = static_cast<float>(2 + static_cast<double>(i) / static_cast<double>(n - 1));
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
            changed(i, j) = w(i, j) + (i % 2 == 0 && j % 4 == 0 ? 0.0009765625F : 0);
    const spectrum_effect_result r = analyze_spectrum_effect(w, changed, {.angle_count = 0});
    CHECK(r.relative_spectral_error.value == Approx(0.0009765625 * std::sqrt(400.0 * 200.0) / 3).epsilon(1e-3));
    CHECK(r.largest_angle.reason == "not asked for");
    CHECK(r.subspace_gap.reason == "not asked for");
}

TEST_CASE("what double precision cannot tell from singular has no condition number, and everything else")
{
    const xt::xtensor<double, 2> w = with_spectrum(20, 20, geometric_spectrum(20, 100));
    const spectrum_effect_result r = analyze_spectrum_effect(w, with_spectrum(20, 20, one_spike(20, 1e16)), {.angle_count = 1});
    CHECK(r.condition_number.before.value == Approx(100).epsilon(1e-9));
    CHECK(r.condition_number.after.reason == "singular to working precision");
    CHECK(r.condition_number.change.reason == "singular to working precision");
    CHECK(r.stable_rank.after.value == Approx(1).epsilon(1e-12));
    CHECK(r.largest_angle.exists());
}

TEST_CASE("zero, empty and broken matrices have a reason and no figure")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({3, 4}), some = random_normal<float>({3, 4}, {.seed = 1}), none = xt::empty<float>({0, 4});
    CHECK(analyze_spectrum_effect(zero, some).relative_spectral_error.reason == "all zero");
    CHECK(analyze_spectrum_effect(none, none).stable_rank.change.reason == "no entries");
    const spectrum_effect_result lost = analyze_spectrum_effect(some, zero);  // all weights flushed to zero
    CHECK(lost.relative_spectral_error.value == Approx(1).epsilon(1e-12));
    CHECK(lost.largest_angle.reason == "all zero");
    CHECK(lost.condition_number.change.reason == "all zero");
    CHECK(lost.stable_rank.change.value == 0);
    xt::xtensor<float, 2> broken = some;
    broken(1, 1) = std::numeric_limits<float>::quiet_NaN();
    for (const auto& r : {analyze_spectrum_effect(broken, some), analyze_spectrum_effect(some, broken)}) {
        CHECK(r.relative_spectral_error.reason == "entries that are not finite");
        CHECK(r.alpha.change.reason == "entries that are not finite");
        CHECK(r.largest_angle.reason == "entries that are not finite");
    }
}

TEST_CASE("an effect on what is no matrix or of another shape is refused")
{
    const xt::xtensor<float, 2> a = random_normal<float>({3, 4}, {.seed = 1}), b = random_normal<float>({4, 3}, {.seed = 1});
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(analyze_spectrum_effect(a, b),
                      "weightscope::analyze_spectrum_effect(original, dequantized): the shapes differ, expected equal ones");
    CHECK_THROWS_WITH(analyze_spectrum_effect(vector, vector),
                      "weightscope::analyze_spectrum_effect(original, dequantized): weights have rank 1, expected 2 or more");
    CHECK_THROWS_WITH(analyze_spectrum_effect(a, a, {.tolerance = 0}),
                      "weightscope::analyze_spectrum_effect(original, dequantized, options): tolerance is 0, expected above 0");
}
