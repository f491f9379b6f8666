#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/evaluators/compare_outputs.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// Puts its weights out, two columns, one row per batch.
struct echo : stored_weights<float>
{
    explicit echo(std::vector<double> w) { add("w", {w.size()}, w); }
    std::size_t batch_count() const { return values_[0].size() / 2; }
    model_outputs outputs(std::size_t b) { return {.values = {values_[0][2 * b], values_[0][2 * b + 1]}, .rows = 1, .cols = 2}; }
};

}  // namespace

TEST_CASE("outputs are compared by hand")
{
    // rows (3, -4) -> (3, -3) and (1, 0) -> (0, 1): differences 0, 1, -1, 1
    output_comparer comparer;
    comparer.add({.values = {3, -4, 1, 0}, .rows = 2, .cols = 2}, {.values = {3, -3, 0, 1}, .rows = 2, .cols = 2});
    const auto c = comparer.result();
    CHECK(c.mae.value == 0.75);
    CHECK(c.rmse.value == Approx(std::sqrt(0.75)).epsilon(1e-15));
    CHECK(c.peak == 4);
    CHECK(c.psnr_db.value == Approx(20 * std::log10(4 / std::sqrt(0.75))).epsilon(1e-14));
    CHECK(c.cosine.value == Approx((9 + 12) / std::sqrt(26.0 * 19.0)).epsilon(1e-14));  // 3·3 + 4·3 + 0 + 0
    CHECK(c.top1_agreement.value == 0.5);
    // KL of two classes: p log(p/q) + (1-p) log((1-p)/(1-q)), p = 1/(1+e^-7), q = 1/(1+e^-6); p = 1/(1+e^-1), q = 1/(1+e)
    const auto kl = [](double a, double b) {
        const double p = 1 / (1 + std::exp(-a)), q = 1 / (1 + std::exp(-b));
        return p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q));
    };
    CHECK(c.kl_divergence.value == Approx((kl(7, 6) + kl(1, -1)) / 2).epsilon(1e-10));
    CHECK(c.kl_divergence_error.reason == "one batch");
    CHECK(c.rows == 2);
    CHECK(c.non_finite_rows == 0);

    output_comparer with_peak(255);
    with_peak.add({.values = {3, -4}, .rows = 1, .cols = 2}, {.values = {3, -3}, .rows = 1, .cols = 2});
    CHECK(with_peak.result().peak == 255);
    CHECK(with_peak.result().psnr_db.value == Approx(20 * std::log10(255 / std::sqrt(0.5))).epsilon(1e-14));
}

TEST_CASE("the divergence has a standard error over the batches, by their rows")
{
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto kl = [](double a, double b) {
        const double p = 1 / (1 + std::exp(-a)), q = 1 / (1 + std::exp(-b));
        return p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q));
    };
    output_comparer comparer;
    comparer.add({.values = {3, -4, 1, 0}, .rows = 2, .cols = 2}, {.values = {3, -3, 0, 1}, .rows = 2, .cols = 2});
    comparer.add({.values = {2, 0}, .rows = 1, .cols = 2}, {.values = {1, nan}, .rows = 1, .cols = 2});  // counts for nothing
    CHECK(comparer.result().kl_divergence_error.reason == "one batch");
    comparer.add({.values = {2, 0, nan, 0}, .rows = 2, .cols = 2}, {.values = {0, 0, 0, 0}, .rows = 2, .cols = 2});
    // sums s of 2 rows and t of 1 have the mean m = (s + t) / 3 and the residuals ±(s - 2 m): their squares times 2, over 3 squared
    const double s = kl(7, 6) + kl(1, -1), m = (s + kl(2, 0)) / 3;
    const output_comparison c = comparer.result();
    CHECK(c.kl_divergence.value == Approx(m).epsilon(1e-10));
    CHECK(c.kl_divergence_error.value == Approx(2 * std::fabs(s - 2 * m) / 3).epsilon(1e-10));
    CHECK(c.non_finite_rows == 2);
}

TEST_CASE("equal outputs are exact, not infinitely good")
{
    echo model({1, 2, -3, 4});
    const auto c = compare_outputs(model, model);
    CHECK(c.mae.value == 0);
    CHECK(c.rmse.value == 0);
    CHECK(c.psnr_db.reason == "exact");
    CHECK(c.cosine.value == Approx(1).epsilon(1e-15));
    CHECK(c.cosine.value <= 1);
    CHECK(c.kl_divergence.value == 0);
    CHECK(c.top1_agreement.value == 1);
}

TEST_CASE("a changed model is compared with itself and put back")
{
    echo model({1, 2, -3, 4}), other({1, 2.5, -3, 4});
    const auto before = model.all();
    const float changed = 2.5f;
    const auto by_patch = compare_outputs(model, [&](weight_patch& patch) { patch.write(0, 4, std::as_bytes(std::span(&changed, 1))); });
    const auto by_model = compare_outputs(model, other);
    CHECK(by_patch.rmse.value == 0.25);
    CHECK(by_patch.rmse.value == by_model.rmse.value);
    CHECK(by_patch.kl_divergence.value == by_model.kl_divergence.value);
    CHECK(model.same_bytes(before));
    CHECK(compare_outputs(model, other, {.batches = {1}}).psnr_db.reason == "exact");
    CHECK_THROWS_WITH(compare_outputs(model, other, {.batches = {2}}),
                      "weightscope::compare_outputs(original, changed, options): batch 2 is asked for, expected below 2");
    const auto fails = [](weight_patch& patch) {
        const float x = 9;
        patch.write(0, 0, std::as_bytes(std::span(&x, 1)));
        throw std::runtime_error("no more");
    };
    CHECK_THROWS_WITH(compare_outputs(model, fails), "no more");
    CHECK(model.same_bytes(before));
}

TEST_CASE("non-finite outputs never look like agreement")
{
    echo model({1, 2, 3, 4}), broken({1, NAN, 3, 4}), all({NAN, 1, INFINITY, 2});
    const auto c = compare_outputs(model, broken);
    CHECK(c.non_finite_rows == 1);
    CHECK(c.rows == 2);
    CHECK(c.mae.value == 0);  // of the row that is left
    CHECK(c.top1_agreement.value == 0.5);
    const auto none = compare_outputs(model, all);
    CHECK(none.rmse.reason == "no finite outputs");
    CHECK(none.kl_divergence.reason == "no finite outputs");
    CHECK(none.top1_agreement.value == 0);

    echo zeros({0, 0}), ones({1, 1});
    CHECK(compare_outputs(zeros, ones).cosine.reason == "all outputs are 0");
    CHECK(compare_outputs(zeros, ones).psnr_db.reason == "all original outputs are 0");
    CHECK(output_comparer().result().mae.reason == "no outputs");
    output_comparer comparer;
    CHECK_THROWS_WITH(comparer.add({.values = {1, 2}, .rows = 1, .cols = 2}, {.values = {1, 2}, .rows = 2, .cols = 1}),
                      "weightscope::output_comparer::add(original, changed): outputs are 1 x 2 and 2 x 1, expected the same shape");
}
