#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/evaluators/make_evaluator.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// The least that is an evaluator.
struct archetype
{
    std::vector<weight_info> weights() const { return {}; }
    void read(std::size_t, std::size_t, std::span<std::byte>) const {}
    void write(std::size_t, std::size_t, std::span<const std::byte>) {}
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t) { return {}; }

    archetype() = default;
    archetype(const archetype&) = delete;
};
static_assert(writable_weights<archetype> && forward_evaluator<archetype> && explain<archetype>());
static_assert(forward_evaluator<archetype&> && forward_evaluator<const archetype&>);  // whatever it is passed as
static_assert(!per_sample_evaluator<archetype> && !differentiable_evaluator<archetype> && !per_sample_gradient_evaluator<archetype>
              && !hessian_vector_evaluator<archetype> && !activation_evaluator<archetype> && !output_evaluator<archetype>
              && !measured_evaluator<archetype> && !replicable_evaluator<archetype>);

// All that an evaluator can be.
struct everything : archetype
{
    std::size_t sample_count(std::size_t) { return 1; }
    void sample_losses(std::size_t, std::span<double>) {}
    loss_value loss_and_gradient(std::size_t, auto&& sink)
    {
        sink(0, 0, std::span<const float>());
        return {};
    }
    void sample_gradient(std::size_t, std::size_t, const gradient_sink&) {}
    void hessian_vector(std::size_t, const weight_direction&, const gradient_sink&) {}
    void observe(std::size_t, const activation_tap&) {}
    model_outputs outputs(std::size_t) { return {}; }
    std::vector<metric_info> metrics() const { return {}; }
    void measure(std::size_t, std::span<loss_value>) {}
    everything replicate() const { return {}; }
};
static_assert(per_sample_evaluator<everything> && differentiable_evaluator<everything> && per_sample_gradient_evaluator<everything>
              && hessian_vector_evaluator<everything> && activation_evaluator<everything> && output_evaluator<everything>
              && measured_evaluator<everything> && replicable_evaluator<everything>);
static_assert(replicable_evaluator<logistic_model<float>> && per_sample_gradient_evaluator<logistic_model<float>>);

using tensors = std::map<std::string, xt::xarray<float>>;
const tensors two = {{"a", {{1, 2}, {3, 4}}}, {"b", {5}}};

}  // namespace

TEST_CASE("a loss is a sum and a count, so that its mean is right over uneven batches")
{
    // batches of 3 and 1 samples: the mean of the four losses is 4, the mean of the batches' means is 6
    const loss_value a{6, 3}, b{10, 1};
    CHECK(a.mean() == 2);
    CHECK(loss_value{a.sum + b.sum, a.count + b.count}.mean() == 4);
}

TEST_CASE("sinks widen floats without loss and in any pieces")
{
    std::vector<double> got(2000);
    const gradient_sink sink([&](std::size_t tensor, std::size_t offset, std::span<const double> values) {
        CHECK(tensor == 3);
        std::copy(values.begin(), values.end(), got.begin() + static_cast<std::ptrdiff_t>(offset));
    });
    CHECK_FALSE(sink.single_precision());
    sink(3, 0, std::span<const double>(std::vector<double>{1e-300}));
    CHECK_FALSE(sink.single_precision());
    std::vector<float> floats(1500);
    for (std::size_t i = 0; i < floats.size(); ++i)
        floats[i] = 0.1f * static_cast<float>(i);
    sink(3, 1, std::span<const float>(floats));
    CHECK(sink.single_precision());
    CHECK(got[0] == 1e-300);
    for (std::size_t i = 0; i < floats.size(); ++i)
        REQUIRE(got[i + 1] == static_cast<double>(floats[i]));
}

TEST_CASE("directions fill floats and doubles alike")
{
    const weight_direction direction([](std::size_t tensor, std::size_t offset, std::span<double> values) {
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<double>(1000 * tensor + offset + i);
    });
    std::vector<float> floats(1300);
    direction(2, 7, std::span(floats));
    for (std::size_t i = 0; i < floats.size(); ++i)
        REQUIRE(floats[i] == static_cast<float>(2007 + i));
}

TEST_CASE("taps pass on what is wanted")
{
    std::size_t rows = 0;
    const activation_tap tap([](std::size_t tensor) { return tensor == 1; }, [&](std::size_t, const activation_view& inputs) { rows += inputs.rows; });
    CHECK(tap.wants(1));
    CHECK_FALSE(tap.wants(0));
    tap(1, {.data = nullptr, .rows = 5, .cols = 2});
    CHECK(rows == 5);
}

TEST_CASE("tensors and a lambda make an evaluator")
{
    auto evaluator = make_evaluator(two, 3, [](const tensors& w, std::size_t batch) { return w.at("a")(1, 0) * static_cast<double>(batch); });
    REQUIRE(evaluator.weights().size() == 2);
    CHECK(evaluator.weights()[0].name == "a");
    CHECK(evaluator.weights()[0].shape == std::vector<std::size_t>{2, 2});
    CHECK(evaluator.weights()[0].dtype == dtype::float32);
    CHECK(evaluator.weights()[0].size() == 4);
    CHECK(evaluator.weights()[1].name == "b");
    CHECK(evaluator.batch_count() == 3);
    CHECK(evaluator.loss(2).sum == 6);
    CHECK(evaluator.loss(2).count == 1);

    const float changed = 7;
    evaluator.write(0, 8, std::as_bytes(std::span(&changed, 1)));
    CHECK(evaluator.loss(2).sum == 14);
    CHECK(evaluator.tensors().at("a")(1, 0) == 7);
    float found = 0;
    evaluator.read(0, 8, std::as_writable_bytes(std::span(&found, 1)));
    CHECK(found == 7);

    auto replica = evaluator.replicate();
    const float again = 9;
    replica.write(0, 8, std::as_bytes(std::span(&again, 1)));
    CHECK(replica.loss(1).sum == 9);
    CHECK(evaluator.loss(1).sum == 7);
}

TEST_CASE("a lambda may return a float, a double or a loss_value")
{
    CHECK(make_evaluator(two, 1, [](const auto&, std::size_t) { return 0.5f; }).loss(0).sum == 0.5);
    CHECK(make_evaluator(two, 1, [](const auto&, std::size_t) { return 0.1; }).loss(0).sum == 0.1);
    const loss_value whole = make_evaluator(two, 1, [](const auto&, std::size_t) { return loss_value{6, 4}; }).loss(0);
    CHECK(whole.sum == 6);
    CHECK(whole.count == 4);
}

TEST_CASE("a second lambda gives exact gradients, summed over batches and divided by their counts")
{
    // L = sum over batches k of (k + 1) a_00² + b, three samples each: dL/da_00 = 2 a_00 (1 + 2) / 6 = 1, dL/db = 2 / 6
    const auto loss = [](const tensors& w, std::size_t k) {
        const double a = w.at("a")(0, 0);
        return loss_value{static_cast<double>(k + 1) * a * a + w.at("b")(0), 3};
    };
    auto evaluator = make_evaluator(two, 2, loss, [&](const tensors& w, std::size_t k, tensors& gradients) {
        gradients.at("a")(0, 0) += 2 * static_cast<float>(k + 1) * w.at("a")(0, 0);
        gradients.at("b")(0) += 1;
        return loss(w, k);
    });
    static_assert(differentiable_evaluator<decltype(evaluator)> && replicable_evaluator<decltype(evaluator)>);
    const auto gradient = estimate_gradient(evaluator);
    CHECK(gradient.tensors[0].values == std::vector<double>{1, 0, 0, 0});
    CHECK(gradient.tensors[1].values[0] == Approx(1.0 / 3).epsilon(1e-15));
    CHECK(gradient.loss == Approx((1 + 5 + 2 + 5) / 6.0).epsilon(1e-15));
    CHECK(gradient.counts == evaluation_counts{.gradients = 2});
    CHECK(gradient.single_precision);

    const auto only_b = estimate_gradient(evaluator, {.batches = {1, 1}, .tensors = {1}});
    REQUIRE(only_b.tensors.size() == 1);
    CHECK(only_b.tensors[0].tensor == 1);
    CHECK(only_b.tensors[0].values[0] == Approx(1.0 / 3).epsilon(1e-15));
}

TEST_CASE("what an evaluator of tensors cannot do is refused")
{
    const auto loss = [](const tensors&, std::size_t) { return 0.0; };
    CHECK_THROWS_WITH(make_evaluator(two, 0, loss), "weightscope::make_evaluator(weights, batch_count, loss): batch_count is 0, expected 1 or more");
    auto evaluator = make_evaluator(two, 1, loss);
    std::array<std::byte, 8> bytes{};
    CHECK_THROWS_WITH(evaluator.read(0, 12, bytes), "weightscope::map_evaluator: bytes 12 to 20 of tensor 0 are asked for, which has 16");
    CHECK_THROWS_WITH(evaluator.write(2, 0, bytes), "weightscope::map_evaluator: tensor is 2, expected below 2");
}
