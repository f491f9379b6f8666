#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer.hpp>

#include "../catch.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;

namespace {

// Central differences of the loss in double, over h and 2h: their error is about h^4 times a fifth derivative, and the last places of
// the loss, 1e-13, over h.
void check_gradients(const transformer_config& config, std::size_t length, const transformer_options& options = {})
{
    const tiny::made_model made = tiny::make_model<double>(config);
    transformer<double> t(made.m, config, tiny::make_tokens(length, config.vocabulary_size), options);
    tiny::gradients gradient = tiny::room_for_gradients(t);
    const loss_value loss = t.loss_and_gradient(0, tiny::adding_to(gradient));
    CHECK(loss.sum == Approx(t.loss(0).sum).epsilon(1e-14));
    CHECK(loss.count == t.loss(0).count);

    for (std::size_t tensor = 0; tensor < t.weights().size(); ++tensor) {
        INFO(t.weights()[tensor].name);
        const std::size_t size = t.weights()[tensor].size(), step = std::max<std::size_t>(1, size / 17);
        double largest = 0;
        for (std::size_t i = 0; i < size; i += step) {
            const double h = 0x1p-11;
            double w = 0;
            t.read(tensor, 8 * i, std::as_writable_bytes(std::span(&w, 1)));
            const auto loss_at = [&](double value) {
                t.write(tensor, 8 * i, std::as_bytes(std::span(&value, 1)));
                return t.loss(0).sum;
            };
            const double near = loss_at(w + h) - loss_at(w - h), far = loss_at(w + 2 * h) - loss_at(w - 2 * h);
            const double difference = (8 * near - far) / (12 * h);
            loss_at(w);
            CHECK(std::abs(gradient[tensor][i] - difference) < 1e-6 * std::max(1.0, std::abs(difference)));
            largest = std::max(largest, std::abs(difference));
        }
        // the keys' bias turns with the position, so it is felt only where there is RoPE
        if (!(t.weights()[tensor].name.ends_with("k_proj.bias")))
            CHECK(largest > 1e-3);
    }
}

}  // namespace

TEST_CASE("gradients of GPT-2's parameters are the slopes of its loss")
{
    check_gradients(tiny::gpt2, 10);
}

TEST_CASE("gradients of LLaMA's parameters are the slopes of its loss")
{
    check_gradients(tiny::llama, 10);
    check_gradients(tiny::llama, 70);  // more than one block of queries
}

TEST_CASE("gradients of Qwen2's parameters are the slopes of its loss")
{
    check_gradients(tiny::qwen2, 10);
    check_gradients(tiny::qwen2, 10, {.predict_after = 10});
}

TEST_CASE("gradients are the slopes of the loss with every bias, scaled and interleaved RoPE")
{
    check_gradients(tiny::llama3, 40, {.rope = rope_layout::interleaved});
}

TEST_CASE("gradients of experts and of their router are the slopes of the loss")
{
    check_gradients(tiny::mixtral, 20);
}

TEST_CASE("gradients of samples add up to that of their batch")
{
    for (const transformer_config& config : {tiny::gpt2, tiny::qwen2}) {
        const tiny::made_model made = tiny::make_model<double>(config);
        token_rows tokens = cut_tokens(tiny::make_tokens(38, config.vocabulary_size).tokens, 7);
        std::replace(tokens.tokens.begin(), tokens.tokens.end(), -1, 3);
        transformer<double> t(made.m, config, tokens, {.batch_size = 4});
        REQUIRE(t.batch_count() == 3);
        tiny::gradients whole = tiny::room_for_gradients(t), sums = whole;
        const loss_value loss = t.loss_and_gradient(1, tiny::adding_to(whole));
        loss_value of_samples;
        for (std::size_t s = 0; s < t.sample_count(1); ++s) {
            const loss_value sample = t.sample_gradient(1, s, tiny::adding_to(sums));
            of_samples.sum += sample.sum;
            of_samples.count += sample.count;
        }
        CHECK(of_samples.sum == Approx(loss.sum).epsilon(1e-13));
        CHECK(of_samples.count == loss.count);
        for (std::size_t tensor = 0; tensor < whole.size(); ++tensor)
            for (std::size_t i = 0; i < whole[tensor].size(); ++i)
                CHECK(std::abs(whole[tensor][i] - sums[tensor][i]) < 1e-12);
    }
}

TEST_CASE("gradients in float are those in double to a float's digits")
{
    for (const transformer_config& config : {tiny::gpt2, tiny::llama}) {
        const tiny::made_model made = tiny::make_model<bfloat16>(config);
        const token_rows tokens = tiny::make_tokens(15, config.vocabulary_size);
        transformer<float> single(made.m, config, tokens);
        transformer<double> twice(made.m, config, tokens);
        tiny::gradients g = tiny::room_for_gradients(single), exact = g;
        const gradient_sink sink = tiny::adding_to(g), exact_sink = tiny::adding_to(exact);
        single.loss_and_gradient(0, sink);
        twice.loss_and_gradient(0, exact_sink);
        CHECK(sink.single_precision());
        CHECK(!exact_sink.single_precision());
        double error = 0, size = 0;
        for (std::size_t tensor = 0; tensor < g.size(); ++tensor)
            for (std::size_t i = 0; i < g[tensor].size(); ++i) {
                error = std::max(error, std::abs(g[tensor][i] - exact[tensor][i]));
                size = std::max(size, std::abs(exact[tensor][i]));
            }
        CHECK(error < 1e-5 * size);
    }
}
