#include <algorithm>
#include <cstddef>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

#include "../catch.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;

static_assert(activation_changing_evaluator<transformer<float>> && activation_changing_evaluator<transformer<double>>);

TEST_CASE("a change that changes nothing leaves every bit, and sees every linear layer once")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::llama);
    transformer<float> t(made.m, tiny::llama, tiny::make_tokens(10, 31));
    const double before = t.loss(0).sum;
    std::multiset<std::size_t> seen;
    t.change_activations(activation_change([&](std::size_t tensor, std::span<float> values, std::size_t cols) {
        seen.insert(tensor);
        CHECK(cols == t.weights()[tensor].shape[1]);
        CHECK(values.size() == 20 * cols);
    }));
    CHECK(t.loss(0).sum == before);
    CHECK(seen.size() == 2 * 7 + 1);
    CHECK(std::set(seen.begin(), seen.end()).size() == seen.size());
    t.change_activations({});
    CHECK(t.loss(0).sum == before);
    CHECK(seen.size() == 2 * 7 + 1);
}

TEST_CASE("an input of zeros has the effect of weights that are zero")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::llama);
    transformer<float> t(made.m, tiny::llama, tiny::make_tokens(10, 31));
    const std::size_t down = tiny::tensor_number(t.weights(), "model.layers.0.mlp.down_proj.weight");
    const double before = t.loss(0).sum;
    double without_weights = 0, without_inputs = 0;
    {
        weight_patch patch(t);
        const std::vector<std::byte> zeros(t.weights()[down].size() * sizeof(float));
        patch.write(down, 0, zeros);
        without_weights = t.loss(0).sum;
    }
    {
        const activation_patch patch(t, activation_change([](std::size_t, std::span<float> values, std::size_t) { std::fill(values.begin(), values.end(), 0.0F); },
                                                          [&](std::size_t tensor) { return tensor == down; }));
        without_inputs = t.loss(0).sum;
    }
    CHECK(without_inputs == without_weights);
    CHECK(without_inputs != before);
    CHECK(t.loss(0).sum == before);  // the patch has ended
}

TEST_CASE("outputs, figures, later layers and replicas follow a change, in float and in double")
{
    const tiny::made_model made = tiny::make_model<double>(tiny::gpt2);
    const token_rows tokens{.tokens = {1, 2, 3, 4}, .rows = 2, .length = 2};
    const auto check = [&](auto t) {
        const std::size_t head = tiny::tensor_number(t.weights(), "wte.weight");
        const model_outputs before = t.outputs(0);
        t.change_activations(activation_change(
            [](std::size_t, std::span<float> values, std::size_t) {
                for (float& x : values)
                    x *= 2;
            },
            [&](std::size_t tensor) { return tensor == head; }));
        auto replica = t.replicate();
        for (auto* each : {&t, &replica}) {
            const model_outputs after = each->outputs(0);
            for (std::size_t i = 0; i < before.values.size(); ++i)
                CHECK(after.values[i] == Approx(2 * before.values[i]).epsilon(1e-5).margin(1e-6));
        }
        CHECK_THROWS_WITH(t.loss_and_gradient(0, gradient_sink([](std::size_t, std::size_t, std::span<const double>) {})),
                          "weightscope::transformer: gradients are asked for while activations are changed, expected change_activations({}) before");
    };
    check(transformer<float>(made.m, tiny::gpt2, tokens));
    check(transformer<double>(made.m, tiny::gpt2, tokens));
}
