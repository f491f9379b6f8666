// Decoders in GGUF files: the same weights as elsewhere, under other names, in another order and with the configuration in the file.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/open_model.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"
#include "gguf_models.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;
using files::message;
using gguf_writer::array;
using gguf_writer::bytes_of;
using gguf_models::add_settings;
using gguf_models::gguf_of;

namespace {

std::filesystem::path sample_folder()
{
    return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "examples" / "data" / "trained_sample";
}

transformer_config config_of(const gguf_writer::file& f)
{
    const files::temporary_folder folder;
    return read_transformer_config(read_gguf(files::write(folder / "m.gguf", f.content())));
}

std::string refusal(const gguf_writer::file& f)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "m.gguf", f.content());
    const std::string text = message<io_error>([&] { (void)read_transformer_config(read_gguf(path)); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// The smallest settings that are whole.
gguf_writer::file small(const std::string& type = "llama")
{
    gguf_writer::file f;
    const auto number = [](std::uint32_t n) { return gguf_writer::value(n); };
    add_settings(f, type, {.width = 16, .layer_count = 2, .head_size = 4, .max_positions = 64}, number(4), number(2), number(20));
    f.tensors.push_back({"token_embd.weight", {16, 31}, 0, std::string(4 * 16 * 31, '\0')});
    return f;
}

void set(gguf_writer::file& f, std::string_view key, std::string value)
{
    for (auto& [name, old] : f.keys)
        if (name == key) {
            old = std::move(value);
            return;
        }
    f.keys.emplace_back(key, std::move(value));
}

}  // namespace

TEST_CASE("the trained sample has the same loss in a GGUF file")
{
    const model source = open_model(sample_folder());
    const transformer_config config = read_transformer_config(sample_folder() / "config.json");
    const token_rows tokens = read_tokens(sample_folder() / "held_out.npy");
    const transformer_options options{.batch_size = 64};
    const files::temporary_folder folder;
    transformer<float> reference(source, config, tokens, options);
    const double loss = reference.loss(0).sum;

    // halves turned, as in the safetensors file: the same sums in the same order
    const gguf_writer::file halves = gguf_of(source, config, "qwen2");
    transformer<float> same = open_transformer(files::write(folder / "halves.gguf", halves.content()), tokens, options);
    CHECK(same.config().tied_head);
    CHECK(same.config().max_positions == config.max_positions);
    CHECK(same.config().rope == rope_layout::half_split);
    CHECK(same.weights().size() == reference.weights().size());
    CHECK(same.weights()[0].name == "token_embd.weight");
    CHECK(same.loss(0).sum == loss);

    // the same in F32
    gguf_writer::file floats = halves;
    for (gguf_writer::tensor& t : floats.tensors) {
        std::string wide;
        for (std::size_t i = 0; i < t.bytes.size(); i += 2)
            wide += std::string(2, '\0') + t.bytes.substr(i, 2);
        t.bytes = wide, t.type = 0;
    }
    CHECK(open_transformer(files::write(folder / "floats.gguf", floats.content()), tokens, options).loss(0).sum == loss);

    // neighbours turned, rows permuted for it: products of queries and keys are added in another order
    const gguf_writer::file permuted_rows = gguf_of(source, config, "llama");
    transformer<float> neighbours = open_transformer(files::write(folder / "neighbours.gguf", permuted_rows.content()), tokens, options);
    CHECK(neighbours.config().rope == rope_layout::interleaved);
    CHECK(neighbours.loss(0).sum == Approx(loss).epsilon(1e-5));  // floats, five layers
    transformer_options wrong = options;
    wrong.rope = rope_layout::half_split;
    CHECK(open_transformer(folder / "neighbours.gguf", tokens, wrong).loss(0).sum > 1.5 * loss);
}

TEST_CASE("decoders with biases, untied output layers and learned positions have the same loss in a GGUF file")
{
    const files::temporary_folder folder;
    for (const auto& [type, config] : {std::pair{"llama", tiny::llama}, {"qwen2", tiny::qwen2}, {"gpt2", tiny::gpt2}}) {
        INFO(type);
        transformer_config c = config;
        c.norm_epsilon = static_cast<float>(c.norm_epsilon);
        const tiny::made_model made = tiny::make_model<float>(c);
        const token_rows tokens = tiny::make_tokens(12, c.vocabulary_size);
        const auto path = files::write(folder / "m.gguf", gguf_of(made.m, c, type).content());
        transformer<float> read = open_transformer(path, tokens), reference(made.m, c, tokens);
        CHECK(read.config().query_key_value_bias == c.query_key_value_bias);
        CHECK(read.config().kv_head_count == c.kv_head_count);
        CHECK(read.config().tied_head == c.tied_head);
        CHECK(read.loss(0).mean() == Approx(reference.loss(0).mean()).epsilon(1e-6));  // floats
    }
}

TEST_CASE("quantized weights of a GGUF file take part as the floats that they stand for")
{
    const files::temporary_folder folder;
    const transformer_config c{.vocabulary_size = 31, .width = 32, .layer_count = 2, .head_count = 4, .kv_head_count = 2, .head_size = 8,
                               .feed_forward_size = 64, .max_positions = 100, .tied_head = true};
    const tiny::made_model made = tiny::make_model<float>(c);
    const token_rows tokens = tiny::make_tokens(12, c.vocabulary_size);
    gguf_writer::file coded = gguf_of(made.m, c, "qwen2"), plain = coded;
    for (std::size_t t = 0; t < coded.tensors.size(); ++t) {
        gguf_writer::tensor& tensor = coded.tensors[t];
        if (tensor.extents.size() != 2)
            continue;
        // Q8_0 with a scale of 1/64
        std::string blocks, values;
        for (std::size_t i = 0; i < tensor.bytes.size(); i += 4) {
            float x = 0;
            std::memcpy(&x, &tensor.bytes[i], sizeof x);
            const int code = static_cast<int>(std::lround(x * 64));
            blocks += (i % 128 == 0 ? std::string("\x00\x24", 2) : std::string()) + static_cast<char>(code);
            values += bytes_of(static_cast<float>(code) / 64);
        }
        tensor.type = 8, tensor.bytes = blocks;
        plain.tensors[t].bytes = values;
    }
    transformer<float> quantized = open_transformer(files::write(folder / "q.gguf", coded.content()), tokens);
    transformer<float> floats = open_transformer(files::write(folder / "f.gguf", plain.content()), tokens);
    CHECK(quantized.loss(0).sum == floats.loss(0).sum);
    CHECK(quantized.weights()[0].dtype == dtype::float32);
    const float one = 1;
    quantized.write(0, 0, std::as_bytes(std::span(&one, 1)));
    CHECK(quantized.loss(0).sum != floats.loss(0).sum);
}

TEST_CASE("divisors of the rotations count as a factor does")
{
    gguf_writer::file linear = small(), divided = small();
    set(linear, "llama.rope.scaling.type", gguf_writer::value("linear"));
    set(linear, "llama.rope.scaling.factor", gguf_writer::value(4.0f));
    divided.tensors.push_back({"rope_freqs.weight", {2}, 0, bytes_of(std::vector<float>{4, 4})});
    const transformer_config a = config_of(linear), b = config_of(divided);
    CHECK(a.scaling == rope_scaling::linear);
    CHECK(b.rope_divisors == std::vector<double>{4, 4});
    const detail::rope_table<float> x(a, a.rope, 9), y(b, b.rope, 9);
    CHECK(x.cosine == y.cosine);
    CHECK(x.sine == y.sine);
    CHECK(x.cosine[2] == static_cast<float>(std::cos(0.25)));  // position 1, pair 0
    divided.tensors.back().extents = {3};
    divided.tensors.back().bytes += bytes_of(4.0f);
    CHECK(refusal(divided) == "tensor 'rope_freqs.weight': has 3 elements of F32, expected 2 numbers, one for each pair of a head");
}

TEST_CASE("the configuration of a GGUF file is read from its metadata")
{
    gguf_writer::file f = small();
    set(f, "llama.attention.sliding_window", gguf_writer::value(std::uint32_t{48}));
    const transformer_config c = config_of(f);
    CHECK(c.family == transformer_family::llama);
    CHECK(c.vocabulary_size == 31);
    CHECK(c.width == 16);
    CHECK(c.layer_count == 2);
    CHECK(c.head_count == 4);
    CHECK(c.kv_head_count == 2);
    CHECK(c.head_size == 4);
    CHECK(c.feed_forward_size == 20);
    CHECK(c.max_positions == 48);
    CHECK(c.norm_epsilon == Approx(1e-5));
    CHECK(c.rope_theta == 10000);
    CHECK(c.tied_head);
    CHECK(c.rope == rope_layout::interleaved);
    CHECK(c.layers.empty());

    set(f, "llama.attention.head_count", array(5, 2, bytes_of(std::vector<std::int32_t>{4, 0})));
    set(f, "llama.attention.head_count_kv", array(4, 2, bytes_of(std::vector<std::uint32_t>{2, 0})));
    set(f, "llama.feed_forward_length", array(4, 2, bytes_of(std::vector<std::uint32_t>{20, 8})));
    const transformer_config layered = config_of(f);
    CHECK(layered.layers == std::vector<layer_widths>{{4, 2, 20}, {0, 0, 8}});
    CHECK(layered.head_count == 4);
}

TEST_CASE("a mixture of experts in a GGUF file gives what its own tensors do")
{
    const tiny::made_model made = tiny::make_model(tiny::mixtral);
    const files::temporary_folder folder;
    const model m = read_gguf(files::write(folder / "m.gguf", gguf_of(made.m, tiny::mixtral, "llama").content()));
    const transformer_config config = read_transformer_config(m);
    CHECK(config.rope == rope_layout::interleaved);
    const token_rows tokens = tiny::make_tokens(20, 27);
    transformer<double> apart(made.m, tiny::mixtral, tokens), stacked(m, config, tokens);
    // RoPE's base, the norms' epsilon: floats in the file
    CHECK(stacked.loss(0).sum == Approx(apart.loss(0).sum).epsilon(1e-7));
    const std::size_t feed = tiny::mixtral.feed_forward_size, width = tiny::mixtral.width;
    const auto gradients = [&](transformer<double>& t) {
        std::vector<std::vector<double>> result(t.weights().size());
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i].resize(t.weights()[i].size());
        (void)t.loss_and_gradient(0, gradient_sink([&](std::size_t tensor, std::size_t begin, std::span<const double> values) {
            for (std::size_t i = 0; i < values.size(); ++i)
                result[tensor][begin + i] += values[i];
        }));
        return result;
    };
    const auto of_apart = gradients(apart), of_stacked = gradients(stacked);
    double largest = 0;
    for (const auto& [stack, own] : {std::pair("blk.1.ffn_gate_exps.weight", "w1"), std::pair("blk.1.ffn_up_exps.weight", "w3"),
                                     std::pair("blk.1.ffn_down_exps.weight", "w2")}) {
        const auto& found = of_stacked[tiny::tensor_number(stacked.weights(), stack)];
        for (std::size_t e = 0; e < 4; ++e) {
            const auto& expected =
                of_apart[tiny::tensor_number(apart.weights(), "model.layers.1.block_sparse_moe.experts." + std::to_string(e) + "." + own + ".weight")];
            REQUIRE(expected.size() == feed * width);
            double distance = 0;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                distance = std::max(distance, std::fabs(found[e * feed * width + i] - expected[i]));
                largest = std::max(largest, std::fabs(expected[i]));
            }
            CHECK(distance < 1e-6);
        }
    }
    CHECK(largest > 1e-3);
    // inputs of a stack: columns of each expert's own, and rows that it did not take are zeros
    const auto inputs = [](transformer<double>& t, std::size_t wanted) {
        std::vector<double> sums;
        t.observe(0, activation_tap([&](std::size_t tensor) { return tensor == wanted; }, [&](std::size_t, const activation_view& view) {
                      sums.resize(view.cols);
                      for (std::size_t i = 0; i < view.rows; ++i)
                          for (std::size_t j = 0; j < view.cols; ++j)
                              sums[j] += view.row_mask.empty() || view.row_mask[i] != 0 ? std::fabs(static_cast<double>(view.data[i * view.cols + j])) : 0;
                  }));
        return sums;
    };
    const std::vector<double> of_stack = inputs(stacked, tiny::tensor_number(stacked.weights(), "blk.0.ffn_down_exps.weight"));
    REQUIRE(of_stack.size() == 4 * feed);
    for (std::size_t e = 0; e < 4; ++e) {
        const std::vector<double> of_own =
            inputs(apart, tiny::tensor_number(apart.weights(), "model.layers.0.block_sparse_moe.experts." + std::to_string(e) + ".w2.weight"));
        for (std::size_t j = 0; j < feed; ++j)
            CHECK(of_stack[e * feed + j] == Approx(of_own[j]).epsilon(1e-5));
    }
    // a stack of another shape is not taken for one
    gguf_writer::file f = gguf_of(made.m, tiny::mixtral, "llama");
    set(f, "llama.expert_count", gguf_writer::value(std::uint32_t{3}));
    const model wrong = read_gguf(files::write(folder / "wrong.gguf", f.content()));
    CHECK_THROWS_WITH(transformer<double>(wrong, read_transformer_config(wrong), tokens),
                      (folder / "wrong.gguf").string()
                          + ": tensor 'blk.0.ffn_gate_inp.weight': has shape [4, 12], but the file's metadata makes it [3, 12]");
}

TEST_CASE("settings of a GGUF file that are missing, malformed or not supported are named")
{
    CHECK(refusal(small()) == "nothing was thrown");
    const auto with = [](std::string_view key, std::string value) {
        gguf_writer::file f = small();
        set(f, key, std::move(value));
        return refusal(f);
    };
    const auto number = [](std::uint32_t n) { return gguf_writer::value(n); };
    CHECK(with("general.architecture", gguf_writer::value("gemma3"))
          == "key 'general.architecture': is 'gemma3', expected one that is supported: gpt2, llama, qwen2");
    CHECK(with("llama.block_count", gguf_writer::value("two")) == "key 'llama.block_count': is two, expected a whole number from 1 to 2147483647");
    CHECK(with("llama.block_count", number(0)) == "key 'llama.block_count': is 0, expected a whole number from 1 to 2147483647");
    CHECK(with("llama.expert_count", number(8)) == "key 'llama.expert_used_count': is missing; convert the model again with a llama.cpp of today");
    gguf_writer::file mixture = small();
    mixture.key("llama.expert_count", std::uint32_t{4}).key("llama.expert_used_count", std::uint32_t{5});
    CHECK(refusal(mixture) == "key 'llama.expert_used_count': is 5, expected at most expert_count, 4");
    set(mixture, "llama.expert_used_count", number(2));
    CHECK(refusal(mixture) == "nothing was thrown");
    CHECK(config_of(mixture).expert_count == 4);
    CHECK(config_of(mixture).experts_per_token == 2);
    CHECK(config_of(mixture).feed_forward_size == 20);
    set(mixture, "llama.expert_feed_forward_length", number(12));
    CHECK(config_of(mixture).feed_forward_size == 12);
    set(mixture, "llama.expert_shared_count", number(1));
    CHECK(refusal(mixture) == "key 'llama.expert_shared_count': is 1, expected 0: experts that every token takes are not supported");
    gguf_writer::file other = small("qwen2");
    other.key("qwen2.expert_count", std::uint32_t{4});
    CHECK(refusal(other) == "key 'qwen2.expert_count': is 4, expected 0: experts are supported in the architecture llama, not in qwen2");
    CHECK(with("llama.attention.head_count_kv", number(3))
          == "key 'llama.attention.head_count_kv': is 3, expected a divisor of attention.head_count, 4");
    CHECK(with("llama.attention.head_count", array(4, 3, std::string(12, '\1')))
          == "key 'llama.attention.head_count': is [16843009, 16843009, 16843009], expected a list of 2 layers");
    CHECK(with("llama.attention.key_length", number(5)) == "key 'llama.attention.value_length': is 4, expected that of the keys, 5");
    CHECK(with("llama.attention.layer_norm_rms_epsilon", gguf_writer::value(0.0f))
          == "key 'llama.attention.layer_norm_rms_epsilon': is 0, expected a number above 0");
    CHECK(with("llama.rope.dimension_count", number(2))
          == "key 'llama.rope.dimension_count': is 2, expected the size of a head, 4: turning a part of it is not supported");
    CHECK(with("llama.rope.scaling.type", gguf_writer::value("yarn"))
          == "key 'llama.rope.scaling.type': is yarn, expected one that is supported: none, linear");
    gguf_writer::file missing = small();
    std::erase_if(missing.keys, [](const auto& entry) { return entry.first == "llama.embedding_length"; });
    CHECK(refusal(missing) == "key 'llama.embedding_length': is missing; convert the model again with a llama.cpp of today");
    gguf_writer::file empty = small();
    empty.tensors.clear();
    CHECK(refusal(empty)
          == "key 'llama.vocab_size': is missing, expected a whole number from 1 to 2147483647, or a tensor 'token_embd.weight' to tell it");

    const files::temporary_folder folder;
    const auto path = files::write(folder / "m.gguf", small().content());
    const auto said = [&] { return message<io_error>([&] { (void)open_transformer(path, {.tokens = {1, 2}, .rows = 1, .length = 2}); }); };
    CHECK(said() == path.string() + ": tensor 'output_norm.weight': is missing, expected one of shape [16]; convert the model again");
    gguf_writer::file narrow = small();
    set(narrow, "llama.vocab_size", number(30));
    files::write(path, narrow.content());
    CHECK(said() == path.string() + ": tensor 'token_embd.weight': has shape [31, 16], but the file's metadata makes it [30, 16]");
}

TEST_CASE("a trained LLaMA in five types of blocks has nearly the loss of its floats")
{
    const char* name = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (!name) {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
        return;
    }
    const std::filesystem::path folder = name;
    token_rows tokens{.rows = 1, .length = 64};  // the first of those that it drew itself, see transformer_models.cpp
    tokens.tokens = {1,   403, 407, 261, 378, 432, 322, 261, 270, 425, 361, 426, 410, 462, 379, 411, 431, 279, 303, 331, 285, 412,
                     410, 417, 429, 266, 268, 388, 426, 385, 328, 426, 368, 323, 272, 412, 356, 261, 420, 277, 264, 263, 260, 416,
                     358, 280, 389, 298, 414, 426, 338, 272, 411, 421, 413, 399, 279, 417, 431, 431, 417, 429, 417, 277};
    transformer<float> blocks = open_transformer(folder / "derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf", tokens);
    transformer<float> floats(open_model(folder / "derived__llama2xs-f32-with-tied-lm_head.safetensors"),
                              read_transformer_config(folder / "derived__llama2xs-bf16-sharded" / "config.json"), tokens,
                              {.rope = rope_layout::interleaved});
    CHECK(blocks.loss(0).mean() == Approx(floats.loss(0).mean()).epsilon(0.05));  // errors of 0.6 to 9 % in the weights
    CHECK(blocks.loss(0).mean() < 3);  // chance: log(512) = 6.2

    transformer<float> random = open_transformer(folder / "ollama__ollama__llama-2-tiny-random.gguf", {.tokens = {1, 2, 3}, .rows = 1, .length = 3});
    CHECK(!random.config().tied_head);
    CHECK(random.loss(0).mean() == Approx(std::log(32000.0)).epsilon(0.05));
}
