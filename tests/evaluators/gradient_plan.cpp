#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/evaluators/fisher.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/evaluators/gradient_plan.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// A logistic model that shows gradients of whole batches only.
struct batch_gradients : stored_weights<double>
{
    explicit batch_gradients(std::size_t batch) : inner(12, 3, batch, 4) { add("w", {3}, inner.flat()); }
    std::size_t batch_count() const { return inner.batch_count(); }
    loss_value loss(std::size_t b) { return inner.loss(b); }
    loss_value loss_and_gradient(std::size_t b, const gradient_sink& sink) { return inner.loss_and_gradient(b, sink); }
    logistic_model<double> inner;
};

}  // namespace

TEST_CASE("a plan of the gradient tells the counts that the run then has, and takes some of the batches where a budget is short")
{
    logistic_model<double> model(400, 4, 10, 2);  // 40 batches
    const auto whole = plan_gradient(model);
    CHECK(whole.plan.refusal.empty());
    CHECK(whole.plan.counts == evaluation_counts{.gradients = 40});
    CHECK(whole.plan.memory_bytes == 4 * 8);
    CHECK(whole.plan.seconds > 0);
    CHECK(whole.plan.predicted_relative_error.reason == "it is exact for these batches");
    const gradient_result exact = estimate_gradient(model, whole.options);
    CHECK(exact.counts == whole.plan.counts);

    // a gradient counts as three losses: 62 buy 20 of the 40
    const auto half = plan_gradient(model, {.seed = 3}, {.losses = 62});
    CHECK(half.plan.refusal.empty());
    CHECK(half.options.batches.size() == 20);
    CHECK(half.plan.spent == evaluation_counts{.gradients = 3 + 4});
    const gradient_result sampled = estimate_gradient(model, half.options);
    CHECK(sampled.counts == half.plan.counts);
    double errors = 0, values = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        errors += std::pow(sampled.tensors[0].values[i] - exact.tensors[0].values[i], 2);
        values += std::pow(exact.tensors[0].values[i], 2);
    }
    // four batches foretell the error of twenty to a factor of a few
    CHECK(std::sqrt(errors / values) < 5 * half.plan.predicted_relative_error.value);
    CHECK(std::sqrt(errors / values) > half.plan.predicted_relative_error.value / 5);
    CHECK(plan_gradient(model, {}, {.losses = 3}).plan.predicted_relative_error.reason == "one batch says nothing of the others");
    CHECK(plan_gradient(model, {}, {.losses = 2}).plan.refusal
          == "the budget does not buy the gradient of one batch; raise it, or make smaller batches");
    CHECK(plan_gradient(model, {}, {.losses = 2}).plan.counts == evaluation_counts{});
}

TEST_CASE("a plan of the Fisher information counts samples, and refuses batches that hide them")
{
    logistic_model<double> model(60, 4, 16, 2);  // batches of 16, 16, 16 and 12 samples
    const auto whole = plan_fisher(model);
    CHECK(whole.plan.refusal.empty());
    CHECK(whole.plan.counts == evaluation_counts{.sample_gradients = 60});
    CHECK(whole.plan.memory_bytes == 4 * 4 * 8);  // two numbers for each weight become two others, tensor by tensor
    const fisher_result found = estimate_fisher(model, whole.options);
    CHECK(found.counts == whole.plan.counts);
    double errors = 0, values = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        errors += std::pow(found.tensors[0].standard_errors[i], 2);
        values += std::pow(found.tensors[0].values[i], 2);
    }
    CHECK(whole.plan.predicted_relative_error.value < 3 * std::sqrt(errors / values));
    CHECK(whole.plan.predicted_relative_error.value > std::sqrt(errors / values) / 3);

    const auto part = plan_fisher(model, {.seed = 1}, {.losses = 3 * 40});  // 40 samples: two batches, whichever are drawn
    CHECK(part.options.batches.size() == 2);
    CHECK(estimate_fisher(model, part.options).counts == part.plan.counts);
    CHECK(plan_fisher(model, {}, {.losses = 6}).plan.refusal == "the budget does not buy the samples of one batch; raise it, or make smaller batches");

    batch_gradients one(1), three(3);
    const auto single = plan_fisher(one);
    CHECK(single.plan.counts == evaluation_counts{.gradients = 12});
    CHECK(estimate_fisher(one, single.options).counts == single.plan.counts);
    CHECK(plan_fisher(three).plan.refusal
          == "batch 0 counts 3 items and the evaluator has no sample_gradient(); the square of a batch's mean gradient is no Fisher information: "
             "give the evaluator sample_gradient(), or batches of one sample");
}

TEST_CASE("a plan of simultaneous perturbation says how far from the truth it would be")
{
    auto model = make_quadratic<quadratic_model<double>>(30, 2);
    const auto good = plan_estimate(model, spsa_options{.probes = 120});
    CHECK(good.plan.refusal.empty());
    CHECK(good.plan.counts.losses == 2 * 120 + 1);
    CHECK(good.plan.predicted_relative_error.value == spsa_relative_error(30, 120));
    CHECK(estimate_spsa_gradient(model, good.options).counts == good.plan.counts);

    const auto poor = plan_estimate(model, spsa_options{.probes = 120}, {.losses = 21});
    CHECK(poor.options.probes == 10);
    CHECK(poor.plan.refusal
          == "10 probes give 30 weights a relative error of 1.7: noise that would pass for a ranking; take estimate_group_effects(), "
             "estimate_differences() on fewer weights, at least 29 probes, or set allow_noise");
    CHECK(plan_estimate(model, spsa_options{.probes = 10, .allow_noise = true}).plan.refusal.empty());
    CHECK(plan_estimate(model, spsa_options{}, {.losses = 4}).plan.refusal
          == "the budget buys 1 probes, expected 2 or more; raise it, or choose fewer batches");
}
