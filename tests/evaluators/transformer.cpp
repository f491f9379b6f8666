#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/io/dtype.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../reference/transformer_reference.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;
using files::message;
using transformer_reference::reference;

static_assert(per_sample_evaluator<transformer<float>> && differentiable_evaluator<transformer<float>>);
static_assert(per_sample_gradient_evaluator<transformer<float>> && activation_evaluator<transformer<float>>);
static_assert(output_evaluator<transformer<float>> && measured_evaluator<transformer<float>> && replicable_evaluator<transformer<float>>);
static_assert(differentiable_evaluator<transformer<double>> && replicable_evaluator<transformer<double>>);

namespace {

template <class Real>
void check_reference(const transformer_config& config, const reference& expected, double tolerance, rope_layout rope = rope_layout::half_split)
{
    const tiny::made_model made = tiny::make_model<Real>(config);
    transformer<Real> t(made.m, config, tiny::make_tokens(expected.length, config.vocabulary_size), {.rope = rope});
    REQUIRE(t.batch_count() == 1);
    REQUIRE(t.sample_count(0) == 2);
    const loss_value loss = t.loss(0);
    CHECK(loss.count == static_cast<double>(2 * (expected.length - 1) - 3));
    CHECK(loss.sum == Approx(expected.loss).epsilon(tolerance));

    const model_outputs outputs = t.outputs(0);
    REQUIRE(outputs.rows == 2 * expected.length);
    REQUIRE(outputs.cols == expected.last_logits.size());
    double squares = 0;
    for (std::size_t i = 0; i < (outputs.rows - 3) * outputs.cols; ++i)
        squares += static_cast<double>(outputs.values[i]) * static_cast<double>(outputs.values[i]);
    CHECK(squares == Approx(expected.squares).epsilon(1e-5));
    for (std::size_t j = 0; j < outputs.cols; ++j)
        CHECK(std::abs(static_cast<double>(outputs.values[(expected.length - 1) * outputs.cols + j]) - expected.last_logits[j]) < 1e-5);
}

// A LLaMA whose products need several tiles, panels and depths.
const transformer_config wide{.vocabulary_size = 3000,
                              .width = 400,
                              .layer_count = 1,
                              .head_count = 5,
                              .kv_head_count = 5,
                              .head_size = 80,
                              .feed_forward_size = 420,
                              .max_positions = 300};

template <class T>
std::vector<T> read_tensor(const transformer<float>& t, std::size_t tensor)
{
    std::vector<T> values(t.weights()[tensor].size());
    t.read(tensor, 0, std::as_writable_bytes(std::span(values)));
    return values;
}

}  // namespace

TEST_CASE("logits and losses of tiny decoders are those of an independent implementation")
{
    // float64 to rounding: the losses add up a few hundred numbers of about 4; float32 carries 7 digits
    check_reference<double>(tiny::gpt2, transformer_reference::gpt2, 1e-13);
    check_reference<double>(tiny::llama, transformer_reference::llama, 1e-13);
    check_reference<double>(tiny::llama, transformer_reference::llama_long, 1e-13);
    check_reference<double>(tiny::qwen2, transformer_reference::qwen2, 1e-13);
    check_reference<double>(tiny::llama3, transformer_reference::llama3, 1e-13, rope_layout::interleaved);
    check_reference<double>(tiny::mixtral, transformer_reference::mixtral, 1e-13);
    check_reference<float>(tiny::gpt2, transformer_reference::gpt2, 1e-6);
    check_reference<float>(tiny::llama, transformer_reference::llama, 1e-6);
    check_reference<float>(tiny::llama, transformer_reference::llama_long, 1e-6);
    check_reference<float>(tiny::qwen2, transformer_reference::qwen2, 1e-6);
    check_reference<float>(tiny::llama3, transformer_reference::llama3, 1e-6, rope_layout::interleaved);
    check_reference<float>(tiny::mixtral, transformer_reference::mixtral, 1e-6);
}

TEST_CASE("experts see the tokens that the router gives them, and a closed one none")
{
    const tiny::made_model made = tiny::make_model(tiny::mixtral);
    transformer<double> t(made.m, tiny::mixtral, tiny::make_tokens(20, 27));
    constexpr const char* name = "model.layers.1.block_sparse_moe.";
    const auto number = [&](const std::string& part) { return tiny::tensor_number(t.weights(), name + part); };
    // rows that count of the inputs of each layer, and those inputs
    std::vector<std::size_t> rows(t.weights().size());
    std::vector<std::vector<float>> inputs(t.weights().size());
    const auto observe = [&] {
        std::fill(rows.begin(), rows.end(), 0);
        t.observe(0, activation_tap([](std::size_t) { return true; }, [&](std::size_t tensor, const activation_view& view) {
                      CHECK(view.rows == 40);
                      inputs[tensor].assign(view.data, view.data + view.rows * view.cols);
                      for (std::size_t i = 0; i < view.rows; ++i)
                          rows[tensor] += view.row_mask.empty() || view.row_mask[i] != 0 ? 1 : 0;
                  }));
    };
    observe();
    CHECK(rows[number("gate.weight")] == 37);  // three of padding
    // who takes a row, by what enters the router
    std::vector<double> router(4 * 12);
    t.read(number("gate.weight"), 0, std::as_writable_bytes(std::span(router)));
    std::size_t taken[4] = {};
    for (std::size_t i = 0; i < 37; ++i) {
        double logits[4] = {};
        for (std::size_t e = 0; e < 4; ++e)
            for (std::size_t j = 0; j < 12; ++j)
                logits[e] += router[e * 12 + j] * static_cast<double>(inputs[number("gate.weight")][i * 12 + j]);
        for (std::size_t e = 0; e < 4; ++e)
            taken[e] += std::count_if(std::begin(logits), std::end(logits), [&](double l) { return l > logits[e]; }) < 2 ? 1 : 0;
    }
    for (std::size_t e = 0; e < 4; ++e)
        for (const char* part : {"w1", "w2", "w3"})
            CHECK(rows[number("experts." + std::to_string(e) + "." + part + ".weight")] == taken[e]);
    CHECK(taken[0] + taken[1] + taken[2] + taken[3] == 2 * 37);

    const std::vector<double> zeros(12);
    t.write(number("gate.weight"), 2 * 12 * 8, std::as_bytes(std::span(zeros)));
    observe();
    CHECK(rows[number("experts.2.w1.weight")] == 0);
    std::size_t others = 0;
    for (const char* part : {"experts.0.w2.weight", "experts.1.w2.weight", "experts.3.w2.weight"})
        others += rows[number(part)];
    CHECK(others == 2 * 37);
    // a router that is not a number is not passed over
    const double nan = std::numeric_limits<double>::quiet_NaN();
    t.write(number("gate.weight"), 0, std::as_bytes(std::span(&nan, 1)));
    CHECK(std::isnan(t.loss(0).sum));
}

TEST_CASE("weights of 16 bits give what the same values in 32 bits give")
{
    const tiny::made_model halves = tiny::make_model<float16>(tiny::gpt2), brains = tiny::make_model<bfloat16>(wide);
    for (const auto& [made, config] : {std::pair(&halves, &tiny::gpt2), std::pair(&brains, &wide)}) {
        model widened = made->m;
        std::vector<std::vector<float>> floats;
        for (named_tensor& tensor : widened.tensors) {
            floats.push_back(visit(tensor, [](const auto& view) {
                std::vector<float> values;
                for (const auto w : view)
                    values.push_back(static_cast<float>(w));
                return values;
            }));
            tensor.bytes = std::as_bytes(std::span(floats.back()));
            tensor.dtype = dtype::float32;
        }
        const token_rows tokens = tiny::make_tokens(16, config->vocabulary_size);
        transformer<float> stored(made->m, *config, tokens), plain(widened, *config, tokens);
        CHECK(stored.loss(0).sum == Approx(plain.loss(0).sum).epsilon(1e-6));  // BLAS may sum in another order for another stride
    }
}

TEST_CASE("weights that are not aligned in the file are run and written all the same")
{
    tiny::made_model made = tiny::make_model<float>(tiny::llama);
    const token_rows tokens = tiny::make_tokens(10, 31);
    const double loss = transformer<float>(made.m, tiny::llama, tokens).loss(0).sum;
    for (named_tensor& tensor : made.m.tensors) {
        std::vector<std::byte>& shifted = made.bytes.emplace_back(1);
        shifted.insert(shifted.end(), tensor.bytes.begin(), tensor.bytes.end());
        tensor.bytes = std::span<const std::byte>(shifted).subspan(1);
    }
    transformer<float> t(made.m, tiny::llama, tokens);
    CHECK(t.loss(0).sum == loss);
    const float one = 1;
    t.write(3, 4, std::as_bytes(std::span(&one, 1)));
    CHECK(read_tensor<float>(t, 3)[1] == 1);
}

TEST_CASE("the next loss sees what was written, and writing it back restores every bit")
{
    const tiny::made_model made = tiny::make_model<bfloat16>(tiny::qwen2);
    transformer<float> t(made.m, tiny::qwen2, tiny::make_tokens(10, 23));
    const double loss = t.loss(0).sum;
    for (std::size_t tensor = 0; tensor < t.weights().size(); ++tensor) {
        INFO(t.weights()[tensor].name);
        CHECK(t.weights()[tensor].dtype == dtype::bfloat16);
        const std::vector<bfloat16> before = read_tensor<bfloat16>(t, tensor);
        std::vector<bfloat16> changed = before;
        for (bfloat16& w : changed)
            w = bfloat16(1.5F * static_cast<float>(w) + 0.25F);
        t.write(tensor, 0, std::as_bytes(std::span(changed)));
        // a bias of the keys adds the same to all scores of a query, which softmax does not see
        if (!t.weights()[tensor].name.ends_with("k_proj.bias"))
            CHECK(std::abs(t.loss(0).sum - loss) > 1e-4);
        t.write(tensor, 2 * (changed.size() - 1), std::as_bytes(std::span(before)).last(2));
        t.write(tensor, 0, std::as_bytes(std::span(before)).first(2 * (changed.size() - 1)));
        CHECK(t.loss(0).sum == loss);
    }
}

TEST_CASE("a replica gives the same losses and has weights of its own")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::gpt2);
    transformer<float> t(made.m, tiny::gpt2, tiny::make_tokens(10, 29));
    const std::vector<float> ones(12, 1);
    t.write(2, 0, std::as_bytes(std::span(ones)));
    transformer<float> copy = t.replicate();
    const double loss = t.loss(0).sum;
    CHECK(copy.loss(0).sum == loss);
    const std::vector<float> halves(12, 0.5F);
    copy.write(2, 0, std::as_bytes(std::span(halves)));
    CHECK(copy.loss(0).sum != loss);
    CHECK(t.loss(0).sum == loss);
}

TEST_CASE("samples add up to their batch, and batches to the whole")
{
    const tiny::made_model made = tiny::make_model<double>(tiny::llama);
    token_rows tokens = cut_tokens(tiny::make_tokens(68, 31).tokens, 11);
    std::replace(tokens.tokens.begin(), tokens.tokens.end(), -1, 7);
    std::fill_n(tokens.tokens.end() - 4, 4, -1);
    REQUIRE(tokens.rows == 13);
    transformer<double> whole(made.m, tiny::llama, tokens, {.batch_size = 13}), parts(made.m, tiny::llama, tokens, {.batch_size = 5});
    REQUIRE(parts.batch_count() == 3);
    REQUIRE(parts.sample_count(2) == 3);
    double sum = 0, count = 0;
    for (std::size_t b = 0; b < 3; ++b) {
        std::vector<double> samples(parts.sample_count(b));
        parts.sample_losses(b, samples);
        double of_samples = 0;
        for (const double s : samples)
            of_samples += s;
        CHECK(of_samples == parts.loss(b).sum);
        sum += parts.loss(b).sum;
        count += parts.loss(b).count;
    }
    CHECK(whole.loss(0).sum == Approx(sum).epsilon(1e-14));
    CHECK(whole.loss(0).count == count);
    CHECK(count == 13 * 10 - 4);
}

TEST_CASE("padding and what stands before the question's end do not count")
{
    const tiny::made_model made = tiny::make_model<double>(tiny::llama);
    const token_rows padded{.tokens = {4, 5, 6, 7, -1, -1, 8, 9, 6, 1, 2, 6}, .rows = 2, .length = 6};
    const token_rows first{.tokens = {4, 5, 6, 7}, .rows = 1, .length = 4}, second{.tokens = {8, 9, 6, 1, 2, 6}, .rows = 1, .length = 6};
    transformer<double> both(made.m, tiny::llama, padded), a(made.m, tiny::llama, first), b(made.m, tiny::llama, second);
    CHECK(both.loss(0).count == 3 + 5);
    CHECK(both.loss(0).sum == Approx(a.loss(0).sum + b.loss(0).sum).epsilon(1e-14));

    // after the first 6: one token of the first row, three of the second
    transformer<double> answers(made.m, tiny::llama, padded, {.predict_after = 6});
    CHECK(answers.loss(0).count == 4);
    const model_outputs logits = both.outputs(0);
    double expected = 0;
    for (const auto& [row, token] : {std::pair(2, 7), std::pair(8, 1), std::pair(9, 2), std::pair(10, 6)}) {
        double sum = 0;
        for (std::size_t j = 0; j < 31; ++j)
            sum += std::exp(static_cast<double>(logits.values[static_cast<std::size_t>(row) * 31 + j]));
        expected += std::log(sum) - static_cast<double>(logits.values[static_cast<std::size_t>(row * 31 + token)]);
    }
    CHECK(answers.loss(0).sum == Approx(expected).epsilon(1e-6));  // outputs are floats
}

TEST_CASE("the accuracy counts the places where no logit is above the target's")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::llama);
    transformer<float> t(made.m, tiny::llama, tiny::make_tokens(150, 31));
    const model_outputs logits = t.outputs(0);
    const token_rows tokens = tiny::make_tokens(150, 31);
    double right = 0;
    for (std::size_t row = 0; row < 2; ++row)
        for (std::size_t i = 0; i + 1 < 150; ++i) {
            const float* at = logits.values.data() + (row * 150 + i) * 31;
            const std::int32_t next = tokens.tokens[row * 150 + i + 1];
            right += next >= 0 && at[next] == *std::max_element(at, at + 31);
        }
    REQUIRE(t.metrics().size() == 1);
    CHECK(t.metrics()[0].name == "accuracy");
    CHECK(t.metrics()[0].higher_is_better);
    loss_value accuracy;
    t.measure(0, std::span(&accuracy, 1));
    CHECK(accuracy.sum == right);
    CHECK(right > 0);
    CHECK(accuracy.count == 2 * 149 - 3);
}

TEST_CASE("the inputs of linear layers are shown, with a mask for padding")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::llama);
    transformer<float> t(made.m, tiny::llama, tiny::make_tokens(10, 31));
    const std::size_t query = tiny::tensor_number(t.weights(), "model.layers.0.self_attn.q_proj.weight");
    const std::size_t head = tiny::tensor_number(t.weights(), "lm_head.weight"), gain = query - 1;
    const model_outputs logits = t.outputs(0);
    std::vector<std::size_t> seen;
    t.observe(0, activation_tap([&](std::size_t tensor) { return tensor != query + 1; },
                                [&](std::size_t tensor, const activation_view& inputs) {
                                    seen.push_back(tensor);
                                    REQUIRE(inputs.rows == 20);
                                    CHECK(inputs.cols == t.weights()[tensor].shape[1]);
                                    REQUIRE(inputs.row_mask.size() == 20);
                                    CHECK(std::count(inputs.row_mask.begin(), inputs.row_mask.end(), 0) == 3);
                                    CHECK(inputs.row_mask[16] == 1);
                                    CHECK(inputs.row_mask[17] == 0);
                                    if (tensor == query) {  // the first token, normalised by hand
                                        const std::vector<float> embedding = read_tensor<float>(t, 0), gains = read_tensor<float>(t, gain);
                                        double squares = 0;
                                        for (std::size_t j = 0; j < 16; ++j)
                                            squares += static_cast<double>(embedding[j]) * static_cast<double>(embedding[j]);
                                        for (std::size_t j = 0; j < 16; ++j)
                                            CHECK(static_cast<double>(inputs.data[j])
                                                  == Approx(static_cast<double>(embedding[j] * gains[j]) / std::sqrt(squares / 16 + 1e-5)).epsilon(1e-5));
                                    }
                                    if (tensor == head) {  // logits are products with the inputs
                                        const std::vector<float> w = read_tensor<float>(t, head);
                                        double product = 0;
                                        for (std::size_t j = 0; j < 16; ++j)
                                            product += static_cast<double>(inputs.data[12 * 16 + j]) * static_cast<double>(w[30 * 16 + j]);
                                        CHECK(product == Approx(static_cast<double>(logits.values[12 * 31 + 30])).epsilon(1e-4));
                                    }
                                }));
    CHECK(seen.size() == 2 * 7 - 1 + 1);
    CHECK(seen.back() == head);
    CHECK(std::count(seen.begin(), seen.end(), query) == 1);
}

TEST_CASE("without padding there is no mask, and a tied output layer is shown as the embedding")
{
    const tiny::made_model made = tiny::make_model<bfloat16>(tiny::gpt2);
    transformer<float> t(made.m, tiny::gpt2, {.tokens = {1, 2, 3, 4}, .rows = 2, .length = 2});
    std::size_t calls = 0;
    t.observe(0, activation_tap([&](std::size_t tensor) { return t.weights()[tensor].name == "wte.weight"; },
                                [&](std::size_t, const activation_view& inputs) {
                                    ++calls;
                                    CHECK(inputs.row_mask.empty());
                                    CHECK(inputs.cols == 12);
                                }));
    CHECK(calls == 1);
}

TEST_CASE("losses and gradients have the same bits for any number of threads")
{
    const tiny::made_model made = tiny::make_model<bfloat16>(wide);
    std::vector<double> losses;
    std::vector<tiny::gradients> all;
    for (const std::size_t threads : {1, 2, 5}) {
        transformer<float> t(made.m, wide, tiny::make_tokens(280, 3000));
        tiny::gradients& g = all.emplace_back(tiny::room_for_gradients(t));
        losses.push_back(with_threads(threads, [&] { return t.loss_and_gradient(0, tiny::adding_to(g)).sum; }));
        CHECK(with_threads(threads, [&] { return t.loss(0).sum; }) == losses.front());
    }
    CHECK(losses == std::vector<double>(3, losses.front()));
    CHECK(all[1] == all[0]);
    CHECK(all[2] == all[0]);
}

TEST_CASE("a weight that is not a number makes the loss not a number")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::gpt2);
    for (std::size_t tensor = 0; tensor < made.m.tensors.size(); ++tensor) {
        transformer<float> t(made.m, tiny::gpt2, tiny::make_tokens(16, 29));
        const std::vector<float> nan(t.weights()[tensor].size(), std::numeric_limits<float>::quiet_NaN());
        t.write(tensor, 0, std::as_bytes(std::span(nan)));
        INFO(t.weights()[tensor].name);
        CHECK(std::isnan(t.loss(0).sum));
    }
}

TEST_CASE("tokens, batches and places that do not exist are refused")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::gpt2);
    const auto refusal = [&](token_rows tokens, transformer_options options = {}) {
        return message<std::invalid_argument>([&] { transformer<float>(made.m, tiny::gpt2, std::move(tokens), options); });
    };
    CHECK(refusal({.tokens = {1, 2, 3}, .rows = 2, .length = 2}) == "weightscope::transformer(model, config, tokens): 3 tokens, expected 2 rows of 2");
    CHECK(refusal({}) == "weightscope::transformer(model, config, tokens): 0 tokens, expected 0 rows of 0");
    CHECK(refusal({.tokens = {1}, .rows = 1, .length = 1})
          == "weightscope::transformer(model, config, tokens): rows have 1 tokens, expected 2 to 16, which the model can see");
    CHECK(refusal(tiny::make_tokens(17, 29))
          == "weightscope::transformer(model, config, tokens): rows have 17 tokens, expected 2 to 16, which the model can see");
    CHECK(refusal({.tokens = {1, 2, 3, 29}, .rows = 2, .length = 2})
          == "weightscope::transformer(model, config, tokens): token 1 of row 1 is 29, expected below 29, the size of the vocabulary");
    CHECK(refusal({.tokens = {1, 2, -1, 3}, .rows = 2, .length = 2})
          == "weightscope::transformer(model, config, tokens): token 1 of row 1 follows padding, expected padding at the end only");
    CHECK(refusal(tiny::make_tokens(10, 29), {.batch_size = 0})
          == "weightscope::transformer(model, config, tokens, options): options.batch_size is 0, expected 1 or more");

    transformer<float> t(made.m, tiny::gpt2, tiny::make_tokens(10, 29));
    std::vector<double> losses(3);
    std::vector<std::byte> bytes(8);
    CHECK(message<std::invalid_argument>([&] { (void)t.loss(1); }) == "weightscope::transformer: batch is 1, expected below 1");
    CHECK(message<std::invalid_argument>([&] { t.sample_losses(0, losses); })
          == "weightscope::transformer::sample_losses(batch, losses): room for 3 losses, expected 2");
    CHECK(message<std::invalid_argument>([&] { t.sample_gradient(0, 2, gradient_sink([](auto...) {})); })
          == "weightscope::transformer::sample_gradient(batch, sample, sink): sample is 2, expected below 2");
    CHECK(message<std::invalid_argument>([&] { t.measure(0, {}); })
          == "weightscope::transformer::measure(batch, values): room for 0 figures, expected 1");
    CHECK(message<std::invalid_argument>([&] { t.read(99, 0, bytes); })
          == "weightscope::transformer::read(tensor, ...): tensor is 99, expected below 28");
    CHECK(message<std::invalid_argument>([&] { t.write(2, 44, bytes); })
          == "weightscope::transformer::write(tensor, byte_offset, bytes): 8 bytes at 44 of tensor 'h.0.ln_1.weight', which has 48");
}

TEST_CASE("a text is cut into rows of one length")
{
    const std::vector<std::int32_t> text = {1, 2, 3, 4, 5};
    const token_rows rows = cut_tokens(text, 3);
    CHECK(rows.rows == 2);
    CHECK(rows.length == 3);
    CHECK(rows.tokens == std::vector<std::int32_t>{1, 2, 3, 4, 5, -1});
    CHECK(cut_tokens(text, 5).tokens == text);
    CHECK(message<std::invalid_argument>([&] { (void)cut_tokens(text, 1); })
          == "weightscope::cut_tokens(tokens, length): length is 1, expected 2 or more");
    CHECK(message<std::invalid_argument>([&] { (void)cut_tokens({}, 4); }) == "weightscope::cut_tokens(tokens, length): there are no tokens");
}
