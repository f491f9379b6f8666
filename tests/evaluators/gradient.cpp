#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/gradient.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

std::vector<double> flat(const gradient_result& result)
{
    std::vector<double> values;
    for (const tensor_gradient& tensor : result.tensors)
        values.insert(values.end(), tensor.values.begin(), tensor.values.end());
    return values;
}

// Two names for one storage, as an embedding that is used as the output layer too: L = e_0² + 3 h_0, e = h.
struct tied_model : stored_weights<double>
{
    explicit tied_model(bool tied = true)
    {
        add("embedding", {2}, {2, 5});
        infos_.push_back({.name = "head", .shape = {2}, .dtype = dtype::float64, .tied_to = tied ? "embedding" : ""});
    }
    std::size_t batch_count() const { return 1; }
    void read(std::size_t, std::size_t offset, std::span<std::byte> bytes) const { stored_weights<double>::read(0, offset, bytes); }
    void write(std::size_t, std::size_t offset, std::span<const std::byte> bytes) { stored_weights<double>::write(0, offset, bytes); }
    loss_value loss(std::size_t) { return {values_[0][0] * values_[0][0] + 3 * values_[0][0], 1}; }
    loss_value loss_and_gradient(std::size_t, const gradient_sink& sink)
    {
        const std::vector<double> as_embedding = {2 * values_[0][0]}, as_head = {3};
        sink(0, 0, std::span<const double>(as_embedding));
        sink(1, 0, std::span<const double>(as_head));
        return loss(0);
    }
};

struct wrong_sink : stored_weights<double>
{
    wrong_sink(std::size_t t, std::size_t o) : tensor(t), offset(o) { add("w", {3}, {1, 2, 3}); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t) { return {1, 1}; }
    loss_value loss_and_gradient(std::size_t, const gradient_sink& sink)
    {
        sink(tensor, offset, std::span<const double>(std::vector<double>{1, 2}));
        return {1, 1};
    }
    std::size_t tensor, offset;
};

}  // namespace

TEST_CASE("gradients of logistic regression are those of the formula, whatever the batches")
{
    logistic_model<double> model(50, 6, 7, 1);  // the last batch has one sample
    std::vector<double> expected(6);
    for (std::size_t n = 0; n < 50; ++n) {
        const auto g = model.gradient(n);
        for (std::size_t j = 0; j < 6; ++j)
            expected[j] += g[j] / 50;
    }
    const auto found = estimate_gradient(model);
    for (std::size_t j = 0; j < 6; ++j)
        CHECK(found.tensors[0].values[j] == Approx(expected[j]).epsilon(1e-13));
    CHECK(found.counts == evaluation_counts{.gradients = 8});
    CHECK_FALSE(found.single_precision);
}

TEST_CASE("exact gradients in double agree with central differences to 1e-9 of the largest")
{
    // quadratics have no third derivative: a central difference is exact but for rounding
    auto quadratic = make_quadratic<differentiable_quadratic<double>>(12, 3);
    const auto exact = flat(estimate_gradient(quadratic));
    const auto found = estimate_differences(quadratic, {.step = 0.05});
    for (std::size_t i = 0; i < exact.size(); ++i)
        CHECK(found.weights[i].gradient == Approx(exact[i]).margin(1e-9));

    // a linear net's loss is of order four: of order two in each single weight, so that this holds too
    linear_net net(9, 4, 3, 2, 5);
    const auto net_exact = flat(estimate_gradient(net));
    const auto net_found = estimate_differences(net, {.step = 0.05});
    for (std::size_t i = 0; i < net_exact.size(); ++i)
        CHECK(net_found.weights[i].gradient == Approx(net_exact[i]).margin(1e-9));

    // logistic regression: error h² / 6 L''' of the difference; h = 1e-3 leaves 1e-7, extrapolated to 1e-9
    logistic_model<double> logistic(40, 5, 8, 9);
    const auto log_exact = flat(estimate_gradient(logistic));
    const auto h = estimate_differences(logistic, {.step = 2e-3}), half = estimate_differences(logistic, {.step = 1e-3});
    for (std::size_t i = 0; i < log_exact.size(); ++i)
        CHECK((4 * half.weights[i].gradient - h.weights[i].gradient) / 3 == Approx(log_exact[i]).margin(1e-9));
}

TEST_CASE("tied weights have one gradient, the sum of their uses")
{
    tied_model model;
    const auto gradient = estimate_gradient(model);
    REQUIRE(gradient.tensors.size() == 1);
    CHECK(gradient.tensors[0].tensor == 0);
    CHECK(gradient.tensors[0].values == std::vector<double>{4 + 3, 0});
    // asked for by its second name it is the same tensor
    const auto head = estimate_gradient(model, {.tensors = {1, 0}});
    REQUIRE(head.tensors.size() == 1);
    CHECK(head.tensors[0].tensor == 0);
    CHECK(head.tensors[0].values == std::vector<double>{7, 0});
    // and changed once
    const auto differences = estimate_differences(model, {.positions = {{1, 0}}, .step = 0.01});
    CHECK(differences.weights[0].position == weight_position{0, 0});
    CHECK(differences.weights[0].gradient == Approx(7).epsilon(1e-9));
    CHECK(differences.counts.losses == 3);
}

TEST_CASE("an evaluator that fills its sink wrongly is told so")
{
    wrong_sink tensor(1, 0), element(0, 2);
    CHECK_THROWS_WITH(estimate_gradient(tensor),
                      "weightscope::estimate_gradient(evaluator, options): the evaluator put tensor 1 into the sink, expected below 1");
    CHECK_THROWS_WITH(estimate_gradient(element),
                      "weightscope::estimate_gradient(evaluator, options): the evaluator put elements 2 to 4 of tensor 'w' into the sink, which has 3");
}

TEST_CASE("batches and tensors that do not exist are refused")
{
    logistic_model<double> model(10, 2, 5, 1);
    CHECK_THROWS_WITH(estimate_gradient(model, {.batches = {2}}),
                      "weightscope::estimate_gradient(evaluator, options): batch 2 is asked for, expected below 2");
    CHECK_THROWS_WITH(estimate_gradient(model, {.tensors = {1}}),
                      "weightscope::estimate_gradient(evaluator, options): tensor 1 is asked for, expected below 1");
}
