#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/evaluators/self_test.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

const self_test_check& check_of(const self_test_result& result, const std::string& name)
{
    for (const self_test_check& check : result.checks)
        if (check.name == name)
            return check;
    FAIL("no check is called " << name);
    throw std::logic_error(name);
}

using logistic = logistic_model<double>;

// As a model in training mode.
struct with_dropout : logistic
{
    using logistic::logistic;
    loss_value loss(std::size_t b)
    {
        loss_value value = logistic::loss(b);
        value.sum *= 1 + 0.1 * random.normal();
        return value;
    }
    random_stream random{1};
};

// As an engine that has packed its weights when it was loaded.
struct packed : stored_weights<float>
{
    packed()
    {
        add("used", {2}, {1, 2});
        add("packed", {2}, {3, 4});
    }
    std::size_t batch_count() const { return 2; }
    loss_value loss(std::size_t b) { return {static_cast<double>(values_[0][b] * values_[0][b]) + 3, 1}; }
};

// As a cache that a batch leaves for the next.
struct with_cache : logistic
{
    using logistic::logistic;
    loss_value loss(std::size_t b)
    {
        loss_value value = logistic::loss(b);
        value.sum += b == 0 && last == 1 ? 1 : 0;
        last = b;
        return value;
    }
    std::size_t last = 7;
};

struct mean_gradients : logistic
{
    using logistic::logistic;
    loss_value loss_and_gradient(std::size_t b, const gradient_sink& sink)
    {
        const gradient_sink divided([&](std::size_t t, std::size_t offset, std::span<const double> values) {
            std::vector<double> mean(values.begin(), values.end());
            for (double& value : mean)
                value /= static_cast<double>(sample_count(b));
            sink(t, offset, std::span<const double>(mean));
        });
        return logistic::loss_and_gradient(b, divided);
    }
};

struct read_only : packed
{
    void write(std::size_t, std::size_t, std::span<const std::byte>) {}
};

}  // namespace

TEST_CASE("an evaluator that keeps its promises passes every check")
{
    logistic model(30, 5, 10, 1);
    const auto before = model.all();
    const auto result = test_evaluator(model);
    for (const self_test_check& check : result.checks)
        INFO(check.name << ": " << check.text);
    CHECK(result.passed());
    REQUIRE(result.checks.size() == 5);
    CHECK(check_of(result, "repeatable").text.starts_with("the loss of the unchanged model is the same each time"));
    CHECK(check_of(result, "gradient agrees with losses").value < 1e-4);
    CHECK(result.noise.sigma < 1e-13);
    CHECK(result.counts.losses > 20);
    CHECK(model.same_bytes(before));

    auto plain = make_quadratic<quadratic_model<bfloat16>>(9, 1);
    const auto without = test_evaluator(plain);
    CHECK(without.passed());
    CHECK(without.checks.size() == 4);  // there is no gradient to check

    auto coarse = make_quadratic<differentiable_quadratic<bfloat16>>(9, 1);
    CHECK(check_of(test_evaluator(coarse), "gradient agrees with losses").passed);
}

TEST_CASE("each broken promise is found by its check, and by the weights being back afterwards")
{
    with_dropout dropout(30, 5, 10, 1);
    const auto repeatable = check_of(test_evaluator(dropout), "repeatable");
    CHECK_FALSE(repeatable.passed);
    CHECK(repeatable.value > 0.01);
    CHECK_THAT(repeatable.text, Catch::Matchers::ContainsSubstring("switch dropout and other randomness off"));

    packed deaf;
    const auto before = deaf.all();
    const auto reacts = check_of(test_evaluator(deaf), "reacts to writes");
    CHECK_FALSE(reacts.passed);
    CHECK(reacts.text
          == "the loss does not react to changes of 1 of 2 tensors, 'packed' among them; keep the engine from packing or folding weights, or leave "
             "these out");
    CHECK(deaf.same_bytes(before));
    CHECK(test_evaluator(deaf, {.tensors = {0}}).passed());

    with_cache cache(30, 5, 10, 1);
    const auto order = check_of(test_evaluator(cache), "independent of order");
    CHECK_FALSE(order.passed);
    CHECK_THAT(order.text, Catch::Matchers::ContainsSubstring("clear what one leaves for the next, such as a cache"));

    mean_gradients mean(30, 5, 10, 1);
    const auto gradient = check_of(test_evaluator(mean), "gradient agrees with losses");
    CHECK_FALSE(gradient.passed);
    CHECK(gradient.value == Approx(0.9).epsilon(0.01));  // ten times too small
    CHECK_THAT(gradient.text, Catch::Matchers::ContainsSubstring("the gradient must be that of loss(batch).sum, not of a mean"));

    read_only fixed;
    const auto result = test_evaluator(fixed);
    REQUIRE(result.checks.size() == 1);  // without that nothing else can be tested
    CHECK(result.checks[0].text
          == "2 of 2 tensors do not give back the bytes written to them, 'packed' among them; read() must copy out what write() took");
}
