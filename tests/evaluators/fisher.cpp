#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/evaluators/fisher.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// A logistic model that shows gradients of whole batches only.
struct batches_only : stored_weights<double>
{
    explicit batches_only(std::size_t batch) : inner(12, 3, batch, 4) { add("w", {3}, inner.flat()); }
    std::size_t batch_count() const { return inner.batch_count(); }
    loss_value loss(std::size_t b) { return inner.loss(b); }
    loss_value loss_and_gradient(std::size_t b, const gradient_sink& sink) { return inner.loss_and_gradient(b, sink); }
    logistic_model<double> inner;
};

}  // namespace

TEST_CASE("the empirical Fisher information is the mean squared gradient of samples")
{
    logistic_model<double> model(60, 4, 16, 2);
    const auto fisher = estimate_fisher(model);
    CHECK(fisher.samples == 60);
    CHECK(fisher.counts == evaluation_counts{.sample_gradients = 60});
    for (std::size_t j = 0; j < 4; ++j) {
        double sum = 0, squares = 0;
        for (std::size_t n = 0; n < 60; ++n) {
            const double g = model.gradient(n)[j];
            sum += g * g;
            squares += g * g * g * g;
        }
        CHECK(fisher.tensors[0].values[j] == Approx(sum / 60).epsilon(1e-13));
        // N-1 variance of the squares, over N
        const double variance = (squares - sum * sum / 60) / 59;
        CHECK(fisher.tensors[0].standard_errors[j] == Approx(std::sqrt(variance / 60)).epsilon(1e-10));
    }
}

TEST_CASE("batches of one sample will do, larger ones are refused")
{
    batches_only one(1), three(3);
    const auto fisher = estimate_fisher(one);
    const auto expected = estimate_fisher(one.inner);
    CHECK(fisher.tensors[0].values == expected.tensors[0].values);
    CHECK(fisher.counts == evaluation_counts{.gradients = 12});
    CHECK_THROWS_WITH(estimate_fisher(three),
                      "weightscope::estimate_fisher(evaluator, options): batch 0 counts 3 items and the evaluator has no sample_gradient(); the square "
                      "of a batch's mean gradient is no Fisher information: give the evaluator sample_gradient(), or batches of one sample");
    auto plain = make_quadratic<quadratic_model<double>>(4, 1);
    CHECK_THROWS_WITH(estimate_fisher(plain),
                      "weightscope::estimate_fisher(evaluator, options): the evaluator has neither sample_gradient() nor loss_and_gradient(); "
                      "expected one of them");
}

TEST_CASE("the ratio to the true curvature shows where the Fisher information misleads")
{
    // labels that do not depend on x and small weights: p is near 1/2, F = mean x²/4 = H, nearly
    logistic_model<double> random(400, 3, 400, 7);
    double f = 0, h = 0;
    const auto fisher = estimate_fisher(random);
    for (std::size_t j = 0; j < 3; ++j) {
        f += fisher.tensors[0].values[j];
        h += random.hessian(j, j);
    }
    const auto hessian = estimate_hessian_diagonal(random, {.max_probes = 64});
    const metric ratio = fisher_to_curvature_ratio(fisher, hessian);
    REQUIRE(ratio.exists());
    CHECK(ratio.value == Approx(f / h).epsilon(0.1));  // the estimate of H has that error
    CHECK(ratio.value > 0.8);

    // a quadratic's gradient vanishes at its minimum, its curvature does not
    exact_quadratic<double> minimum({{2, 0}, {0, 3}}, {0, 0}, {1e-4, 1e-4}, 1);
    const metric small = fisher_to_curvature_ratio(estimate_fisher(minimum), estimate_hessian_diagonal(minimum, {.max_probes = 8}));
    CHECK(small.value == Approx((4e-8 + 9e-8) / 5).epsilon(1e-10));

    exact_quadratic<double> saddle({{2, 0}, {0, -3}}, {0, 0}, {1, 1}, 1);
    CHECK(fisher_to_curvature_ratio(estimate_fisher(saddle), estimate_hessian_diagonal(saddle, {.max_probes = 8})).reason
          == "the curvature's sum is not clearly positive");
}
