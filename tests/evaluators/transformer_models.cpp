// Over the trained LLaMA of the folder that WEIGHTSCOPE_TEST_MODELS names; skipped where it is not set.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/open_model.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;
using files::message;

namespace {

// Drawn from the model itself, token by token at temperature 1 after token 1:
//     random_stream random(1);
//     while (row.size() < 160) {                                          // logits: outputs(0) of the row so far, its last place
//         double rest = random.uniform() * (sum over j of exp(logits[j]));
//         std::int32_t token = 0;
//         while (token < 511 && (rest -= std::exp(logits[token])) > 0)
//             ++token;
//         row.push_back(token);
//     }
// Its RoPE is interleaved, as in the code that trained it: the half-split layout draws from distributions of higher entropy.
const std::vector<std::int32_t> drawn = {
    1, 403, 407, 261, 378, 432, 322, 261, 270, 425, 361, 426, 410, 462, 379, 411, 431, 279, 303, 331, 285, 412, 410, 417, 429, 266,
    268, 388, 426, 385, 328, 426, 368, 323, 272, 412, 356, 261, 420, 277, 264, 263, 260, 416, 358, 280, 389, 298, 414, 426, 338,
    272, 411, 421, 413, 399, 279, 417, 431, 431, 417, 429, 417, 277, 419, 373, 351, 312, 401, 396, 345, 267, 422, 280, 295, 269,
    349, 295, 418, 450, 385, 328, 432, 261, 416, 334, 356, 302, 298, 347, 418, 278, 380, 422, 426, 405, 391, 266, 267, 337, 335,
    265, 261, 339, 305, 450, 320, 285, 279, 292, 297, 309, 409, 416, 327, 263, 415, 294, 312, 286, 267, 414, 262, 411, 302, 279,
    289, 439, 413, 349, 289, 411, 351, 265, 282, 412, 419, 289, 267, 349, 414, 427, 261, 424, 283, 426, 13, 453, 421, 425, 431, 431,
    422, 432, 317, 439, 419, 284, 414, 276};

token_rows rows()
{
    return {.tokens = drawn, .rows = 1, .length = drawn.size()};
}

const std::filesystem::path* models()
{
    static const char* name = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    static const std::filesystem::path folder = name ? name : "";
    if (!name)
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
    return name ? &folder : nullptr;
}

constexpr transformer_options interleaved{.rope = rope_layout::interleaved};

}  // namespace

TEST_CASE("a trained LLaMA knows the tokens that it has drawn, and forgets them when its weights are shuffled")
{
    const auto* folder = models();
    if (!folder)
        return;
    transformer<float> t = open_transformer(*folder / "derived__llama2xs-bf16-sharded", rows(), interleaved);
    CHECK(t.config().kv_head_count == 4);
    CHECK(t.config().tied_head);
    CHECK(t.weights().size() == 1 + 5 * 9 + 1);
    // the loss when the tokens were drawn; chance is log(512) = 6.2
    CHECK(t.loss(0).mean() == Approx(2.0723238).epsilon(1e-5));
    transformer<double> exact = open_transformer<double>(*folder / "derived__llama2xs-bf16-sharded", rows(), interleaved);
    CHECK(exact.loss(0).mean() == Approx(2.0723238).epsilon(1e-6));

    random_stream random(1);
    for (std::size_t tensor = 0; tensor < t.weights().size(); ++tensor) {
        std::vector<std::uint16_t> codes(t.weights()[tensor].size());
        t.read(tensor, 0, std::as_writable_bytes(std::span(codes)));
        for (std::size_t i = codes.size(); i > 1; --i)
            std::swap(codes[i - 1], codes[random.below(i)]);
        t.write(tensor, 0, std::as_bytes(std::span(codes)));
    }
    CHECK(t.loss(0).mean() > 6);
}

TEST_CASE("the same weights in BF16, F16 and F32 have nearly the same loss, with or without a copy of the tied output layer")
{
    const auto* folder = models();
    if (!folder)
        return;
    const transformer_config config = read_transformer_config(*folder / "derived__llama2xs-bf16-sharded" / "config.json");
    transformer<float> brains = open_transformer(*folder / "derived__llama2xs-bf16-sharded", rows(), interleaved);
    transformer<float> halves(open_model(*folder / "derived__llama2xs-f16.safetensors"), config, rows(), interleaved);
    transformer<float> floats(open_model(*folder / "derived__llama2xs-f32-with-tied-lm_head.safetensors"), config, rows(), interleaved);
    CHECK(floats.weights().size() == brains.weights().size());
    CHECK(halves.loss(0).mean() == Approx(floats.loss(0).mean()).epsilon(1e-3));  // 11 bits of mantissa, and 8
    CHECK(brains.loss(0).mean() == Approx(floats.loss(0).mean()).epsilon(1e-2));
}

TEST_CASE("an untied LLaMA of several shards and two dtypes runs")
{
    const auto* folder = models();
    if (!folder)
        return;
    token_rows tokens{.rows = 2, .length = 64};
    for (std::int32_t i = 0; i < 128; ++i)
        tokens.tokens.push_back(i * 37 % 64);
    transformer<float> t = open_transformer(*folder / "quatricmorph-tiny-llama-2shard", tokens);
    CHECK(t.weights().size() == 111);
    CHECK(std::abs(t.loss(0).mean() - std::log(64.0)) < 0.5);  // random weights know nothing
}

TEST_CASE("a model without a configuration is refused")
{
    const auto* folder = models();
    if (!folder)
        return;
    const std::filesystem::path file = *folder / "JunSuzukiJapan__tl__recall_weights.safetensors";
    CHECK(message<io_error>([&] { (void)open_transformer(file, rows()); })
          == (*folder / "config.json").string() + ": no such file; check the path");
}
