#include <cmath>
#include <cstddef>
#include <set>
#include <vector>

#include <weightscope/evaluators/plan.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// A loss with noise of a given size.
struct noisy_net : linear_net
{
    using linear_net::linear_net;
    loss_value loss(std::size_t b)
    {
        loss_value value = linear_net::loss(b);
        value.sum += noise * random.normal();
        return value;
    }
    noisy_net replicate() const { return *this; }
    double noise = 0;
    random_stream random{1};
};

struct losses_only : stored_weights<double>
{
    losses_only() : net(9, 4, 3, 2, 1) { infos_ = net.weights(); }
    void read(std::size_t t, std::size_t o, std::span<std::byte> bytes) const { net.read(t, o, bytes); }
    void write(std::size_t t, std::size_t o, std::span<const std::byte> bytes) { net.write(t, o, bytes); }
    std::size_t batch_count() const { return 2; }
    loss_value loss(std::size_t b) { return net.loss(b); }
    linear_net net;
};

}  // namespace

TEST_CASE("a plan of differences tells the counts that the run then has")
{
    linear_net net(9, 4, 3, 2, 1);
    for (const auto method : {difference_method::forward, difference_method::central, difference_method::curvature}) {
        const auto before = net.all();
        const auto planned = plan_estimate(net, differences_options{.method = method});
        CHECK(planned.plan.refusal.empty());
        CHECK(planned.plan.counts.losses == ((method == difference_method::forward ? 1 : 2) * 18 + 1) * 2);
        CHECK(planned.plan.step == planned.options.step);
        CHECK(planned.plan.noise > 0);
        CHECK(planned.plan.seconds_per_loss > 0);
        CHECK(planned.plan.memory_bytes > 0);
        CHECK(planned.plan.spent.losses > 0);
        REQUIRE(planned.plan.predicted_relative_error.exists());
        CHECK(planned.plan.predicted_relative_error.value < 0.01);
        const auto run = estimate_differences(net, planned.options);
        CHECK(run.counts == planned.plan.counts);
        CHECK(net.same_bytes(before));
    }
}

TEST_CASE("a budget of losses buys a random sample of weights, in calls that it does not exceed")
{
    linear_net net(9, 4, 3, 2, 1);
    const auto planned = plan_estimate(net, differences_options{}, {.losses = 30});
    CHECK(planned.options.positions.size() == 7);  // 2 batches · (1 + 2 · 7) = 30
    CHECK(planned.plan.counts.losses == 30);
    CHECK(estimate_differences(net, planned.options).counts.losses == 30);
    const auto none = plan_estimate(net, differences_options{}, {.losses = 5});
    CHECK(none.plan.refusal == "the budget does not buy a single weight; raise it, or choose fewer batches");

    // every weight is as likely to be drawn as any other
    std::vector<int> drawn(18);
    for (std::uint64_t seed = 0; seed < 900; ++seed) {
        const auto sample = detail::random_sample(18, 6, seed);
        CHECK(std::set<std::size_t>(sample.begin(), sample.end()).size() == 6);
        for (const std::size_t i : sample)
            ++drawn[i];
    }
    for (const int count : drawn)
        CHECK(std::abs(count - 300) < 4.5 * std::sqrt(900 * (1.0 / 3) * (2.0 / 3)));
}

TEST_CASE("plans of probes tell the counts of each method, and the error that the run then finds")
{
    const auto close = [](const evaluation_plan& plan, double found) {
        CHECK(plan.predicted_relative_error.value > found / 4);
        CHECK(plan.predicted_relative_error.value < found * 4);
    };
    linear_net net(9, 4, 3, 2, 1);
    const auto trace = plan_estimate(net, hessian_trace_options{.max_probes = 24});
    const auto trace_run = estimate_hessian_trace(net, trace.options);
    CHECK(trace.plan.counts == evaluation_counts{.gradients = (2 * 24 + 1) * 2});
    CHECK(trace_run.counts == trace.plan.counts);
    close(trace.plan, trace_run.total.standard_error / std::fabs(trace_run.total.value));

    const auto forward = plan_estimate(net, hessian_trace_options{.max_probes = 24, .method = curvature_method::forward});
    const auto forward_run = estimate_hessian_trace(net, forward.options);
    CHECK(forward.plan.counts == evaluation_counts{.losses = (2 * 24 * 2 + 1) * 2});
    CHECK(forward_run.counts == forward.plan.counts);
    close(forward.plan, forward_run.total.standard_error / std::fabs(forward_run.total.value));

    const auto diagonal = plan_estimate(net, hessian_diagonal_options{.max_probes = 24});
    CHECK(estimate_hessian_diagonal(net, diagonal.options).counts == diagonal.plan.counts);
    CHECK(diagonal.plan.seconds_per_gradient > 0);
    CHECK(diagonal.plan.seconds > 0);

    auto exact = make_quadratic<exact_quadratic<double>>(20, 2, 3);
    const auto products = plan_estimate(exact, hessian_trace_options{.max_probes = 40});
    CHECK(products.plan.counts == evaluation_counts{.losses = 1, .hessian_vectors = 40});
    CHECK(estimate_hessian_trace(exact, products.options).counts == products.plan.counts);

    losses_only plain;
    CHECK(plan_estimate(plain, hessian_trace_options{.max_probes = 10}).options.method == curvature_method::forward);
}

TEST_CASE("a budget decides the number of probes, and too small a one is refused with the reason")
{
    linear_net net(9, 4, 3, 2, 1);
    // a gradient counts as three losses: 2 batches · 3 · (1 + 2 K) <= 200
    const auto planned = plan_estimate(net, hessian_trace_options{.max_probes = 64}, {.losses = 200});
    CHECK(planned.options.max_probes == 16);
    CHECK(planned.plan.refusal.empty());
    const auto few = plan_estimate(net, hessian_trace_options{.max_probes = 64}, {.losses = 60});
    CHECK(few.plan.refusal
          == "the budget buys 4 probes, and fewer than 8 say nothing about their own error; raise it, or choose fewer batches or tensors");
    const auto timed = plan_estimate(net, hessian_trace_options{.max_probes = 1000000}, {.seconds = 0.01});
    CHECK(timed.options.max_probes < 1000000);
    CHECK(timed.plan.seconds <= 0.0101);
}

TEST_CASE("a plan that noise makes hopeless is refused")
{
    noisy_net net(9, 4, 3, 2, 1);
    net.noise = 3;
    const auto differences = plan_estimate(net, differences_options{});
    CHECK(differences.plan.predicted_relative_error.value > 1);
    CHECK_THAT(differences.plan.refusal, Catch::Matchers::ContainsSubstring("times the values; take estimate_group_effects()"));
    net.noise = 100;
    const auto curvature = plan_estimate(net, differences_options{.method = difference_method::curvature});
    CHECK_FALSE(curvature.plan.refusal.empty());
    auto none = make_quadratic<exact_quadratic<double>>(200, 4);  // a trace of 14 or so among off-diagonal elements of norm 200
    CHECK_THAT(plan_estimate(none, hessian_trace_options{.max_probes = 8}).plan.refusal,
               Catch::Matchers::ContainsSubstring("times the values; take more probes"));
}

TEST_CASE("a plan reads as one line")
{
    evaluation_plan plan{.counts = {.losses = 37}, .seconds_per_loss = 0.5, .seconds = 18.5, .memory_bytes = 2e6, .step = 0.003, .noise = 1e-8};
    plan.predicted_relative_error = metric(0.012);
    CHECK(describe(plan)
          == "37 losses, 0 gradients, 0 Hessian-vector products; 18.5 s at 0.5 s per forward; 2 MB; step 0.003; noise 1e-08; error about 1.2 %");
    plan.refusal = "because";
    plan.predicted_relative_error = metric::missing("nobody knows");
    CHECK_THAT(describe(plan), Catch::Matchers::ContainsSubstring("; error unknown: nobody knows; refused: because"));
}
