#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/rope_table.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;
using files::message;

namespace {

nlohmann::json llama_file()
{
    return nlohmann::json::parse(R"({"model_type":"llama","vocab_size":31,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":4,
        "num_key_value_heads":2,"head_dim":6,"intermediate_size":20,"max_position_embeddings":200,"rms_norm_eps":1e-5,"rope_theta":10000.0,
        "rope_scaling":null,"hidden_act":"silu","tie_word_embeddings":false,"torch_dtype":"float32"})");
}

nlohmann::json gpt2_file()
{
    return nlohmann::json::parse(R"({"architectures":["GPT2LMHeadModel"],"vocab_size":29,"n_embd":12,"n_layer":2,"n_head":3,"n_inner":40,
        "n_positions":16,"activation_function":"gelu_new","layer_norm_epsilon":1e-5})");
}

nlohmann::json with(nlohmann::json file, const char* name, nlohmann::json value)
{
    file[name] = std::move(value);
    return file;
}

transformer_config read(const nlohmann::json& file)
{
    const files::temporary_folder folder;
    return read_transformer_config(files::write(folder / "config.json", file.dump()));
}

std::string refusal(const nlohmann::json& file)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "config.json", file.dump());
    const std::string text = message<io_error>([&] { (void)read_transformer_config(path); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::string refusal(const model& m, const transformer_config& config)
{
    return message<io_error>([&] { transformer<float>(m, config, tiny::make_tokens(10, config.vocabulary_size)); });
}

}  // namespace

TEST_CASE("a LLaMA's configuration is read in full")
{
    const transformer_config c = read(llama_file());
    CHECK(c.family == transformer_family::llama);
    CHECK(c.vocabulary_size == 31);
    CHECK(c.width == 16);
    CHECK(c.layer_count == 2);
    CHECK(c.head_count == 4);
    CHECK(c.kv_head_count == 2);
    CHECK(c.head_size == 6);
    CHECK(c.feed_forward_size == 20);
    CHECK(c.max_positions == 200);
    CHECK(c.norm_epsilon == 1e-5);
    CHECK(c.rope_theta == 10000);
    CHECK(c.scaling == rope_scaling::none);
    CHECK(!c.tied_head);
    CHECK(!c.query_key_value_bias);
}

TEST_CASE("Mixtral has experts, and a token takes some of them")
{
    nlohmann::json file = llama_file();
    file["model_type"] = "mixtral";
    file["num_local_experts"] = 4;
    file["num_experts_per_tok"] = 2;
    file["sliding_window"] = 50;
    const transformer_config c = read(file);
    CHECK(c.family == transformer_family::llama);
    CHECK(c.expert_count == 4);
    CHECK(c.experts_per_token == 2);
    CHECK(c.max_positions == 50);
    CHECK(c.widths(1) == layer_widths{4, 2, 20, 4});
    file["weightscope_layers"] = {{{"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"intermediate_size", 20}, {"num_local_experts", 3}},
                                  {{"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"intermediate_size", 20}}};
    CHECK(read(file).layers == std::vector<layer_widths>{{4, 2, 20, 3}, {4, 2, 20, 4}});
    file["num_experts_per_tok"] = 5;
    CHECK(refusal(file) == "num_experts_per_tok: is 5, expected at most num_local_experts, 4");
    file.erase("num_experts_per_tok");
    CHECK(refusal(file) == "num_experts_per_tok: is missing; the model's own config.json is needed, whole");
}

TEST_CASE("what a configuration leaves out has the family's value")
{
    nlohmann::json file = llama_file();
    for (const char* name : {"num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "rope_theta", "tie_word_embeddings"})
        file.erase(name);
    const transformer_config c = read(file);
    CHECK(c.kv_head_count == 4);
    CHECK(c.head_size == 4);
    CHECK(c.max_positions == 2048);
    CHECK(c.norm_epsilon == 1e-6);
    CHECK(!c.tied_head);

    nlohmann::json short_gpt2 = gpt2_file();
    short_gpt2.erase("n_inner");
    const transformer_config g = read(short_gpt2);
    CHECK(g.family == transformer_family::gpt2);
    CHECK(g.head_size == 4);
    CHECK(g.feed_forward_size == 48);
    CHECK(g.max_positions == 16);
    CHECK(g.tied_head);
}

TEST_CASE("Qwen2 has biases of its own, Mistral a window, LLaMA both if it says so")
{
    const transformer_config qwen = read(with(llama_file(), "model_type", "qwen2"));
    CHECK(qwen.query_key_value_bias);
    CHECK(!qwen.attention_output_bias);
    CHECK(read(with(with(llama_file(), "model_type", "mistral"), "sliding_window", 64)).max_positions == 64);
    CHECK(read(with(with(llama_file(), "model_type", "mistral"), "sliding_window", nullptr)).max_positions == 200);
    const transformer_config llama = read(with(with(llama_file(), "attention_bias", true), "mlp_bias", true));
    CHECK(llama.query_key_value_bias);
    CHECK(llama.attention_output_bias);
    CHECK(llama.feed_forward_bias);
}

TEST_CASE("RoPE's settings are read under their old and their new name")
{
    const transformer_config linear = read(with(llama_file(), "rope_scaling", {{"type", "linear"}, {"factor", 2.5}}));
    CHECK(linear.scaling == rope_scaling::linear);
    CHECK(linear.scaling_factor == 2.5);
    const transformer_config llama3 = read(with(llama_file(), "rope_parameters",
                                                {{"rope_type", "llama3"},
                                                 {"rope_theta", 500000.0},
                                                 {"factor", 8.0},
                                                 {"low_freq_factor", 1.0},
                                                 {"high_freq_factor", 4.0},
                                                 {"original_max_position_embeddings", 8192}}));
    CHECK(llama3.scaling == rope_scaling::llama3);
    CHECK(llama3.rope_theta == 500000);
    CHECK(llama3.scaling_factor == 8);
    CHECK(llama3.high_frequency_factor == 4);
    CHECK(llama3.original_positions == 8192);
    // linear scaling: position 5 of 2.5 turns as position 2 without
    transformer_config plain = linear;
    plain.scaling = rope_scaling::none;
    const detail::rope_table<double> slowed(linear, rope_layout::half_split, 6), table(plain, rope_layout::half_split, 6);
    for (std::size_t p = 0; p < 3; ++p)
        CHECK(slowed.cosine[5 * 3 + p] == Approx(table.cosine[2 * 3 + p]).epsilon(1e-14));
}

TEST_CASE("settings that are missing, malformed or would change the result are refused by name")
{
    nlohmann::json missing = llama_file();
    missing.erase("hidden_size");
    CHECK(refusal(missing) == "hidden_size: is missing; the model's own config.json is needed, whole");
    CHECK(refusal(with(llama_file(), "model_type", "mamba"))
          == "model_type: is 'mamba', expected one that is supported: gpt2, llama, mistral, mixtral, qwen2");
    CHECK(refusal(nlohmann::json::object()) == "model_type: is '', expected one that is supported: gpt2, llama, mistral, mixtral, qwen2");
    CHECK(refusal(nlohmann::json::array()) == "is [], expected an object of settings");
    CHECK(refusal(with(llama_file(), "vocab_size", -3)) == "vocab_size: is -3, expected a whole number from 1 to 2147483647");
    CHECK(refusal(with(llama_file(), "num_hidden_layers", 0)) == "num_hidden_layers: is 0, expected a whole number from 1 to 2147483647");
    CHECK(refusal(with(llama_file(), "hidden_size", 1e30)) == "hidden_size: is 1e+30, expected a whole number from 1 to 2147483647");
    CHECK(refusal(with(llama_file(), "rms_norm_eps", "x")) == "rms_norm_eps: is \"x\", expected a number above 0");
    CHECK(refusal(with(llama_file(), "tie_word_embeddings", 1)) == "tie_word_embeddings: is 1, expected true or false");
    CHECK(refusal(with(llama_file(), "model_type", 1)) == "model_type: is 1, expected a string");
    CHECK(refusal(with(llama_file(), "num_key_value_heads", 3)) == "num_key_value_heads: is 3, expected a divisor of num_attention_heads, 4");
    CHECK(refusal(with(with(llama_file(), "head_dim", nullptr), "num_attention_heads", 6))
          == "num_attention_heads: is 6, expected a divisor of hidden_size, 16");
    CHECK(refusal(with(llama_file(), "head_dim", 5)) == "head_dim: is 5, expected an even number: rotations turn pairs");
    CHECK(refusal(with(llama_file(), "hidden_act", "relu")) == "hidden_act: is \"relu\", expected one that is supported: silu, swish");
    CHECK(refusal(with(llama_file(), "use_sliding_window", true)) == "use_sliding_window: is true, expected false: the other is not supported");
    CHECK(refusal(with(llama_file(), "rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}))
          == "rope_scaling.type: is \"yarn\", expected one that is supported: default, linear, llama3");
    CHECK(refusal(with(llama_file(), "rope_scaling", {{"rope_type", "linear"}}))
          == "rope_scaling.factor: is missing; the model's own config.json is needed, whole");
    CHECK(refusal(with(llama_file(), "rope_scaling", 7)) == "rope_scaling.: is 7, expected an object of settings");
    CHECK(refusal(with(gpt2_file(), "activation_function", "gelu"))
          == "activation_function: is \"gelu\", expected one that is supported: gelu_new, gelu_pytorch_tanh");
    CHECK(refusal(with(gpt2_file(), "scale_attn_by_inverse_layer_idx", true))
          == "scale_attn_by_inverse_layer_idx: is true, expected false: the other is not supported");
    CHECK(refusal(with(gpt2_file(), "n_head", 5)) == "n_head: is 5, expected a divisor of n_embd, 12");
}

TEST_CASE("a tensor that is missing, has another shape or type, or has no part is refused by name")
{
    tiny::made_model made = tiny::make_model<float>(tiny::llama);
    made.m.path = "a.safetensors";
    const auto find = [](model& m, std::string_view name) {
        return std::find_if(m.tensors.begin(), m.tensors.end(), [&](const named_tensor& t) { return t.name == name; });
    };
    model m = made.m;
    m.tensors.erase(find(m, "model.layers.1.self_attn.k_proj.weight"));
    CHECK(refusal(m, tiny::llama)
          == "a.safetensors: tensor 'model.layers.1.self_attn.k_proj.weight': is missing, expected one of shape [12, 16]; is the "
             "config.json that of this model?");
    m = made.m;
    find(m, "model.norm.weight")->shape = {4, 4};
    CHECK(refusal(m, tiny::llama) == "a.safetensors: tensor 'model.norm.weight': has shape [4, 4], but the config.json makes it [16]");
    m = made.m;
    find(m, "lm_head.weight")->dtype = dtype::int32;
    CHECK(refusal(m, tiny::llama)
          == "a.safetensors: tensor 'lm_head.weight': is I32, expected BF16, F16, F32 or F64; dequantize it first");
    m = made.m;
    m.tensors.push_back({.name = "model.layers.0.self_attn.q_norm.weight", .shape = {6}});
    CHECK(refusal(m, tiny::llama)
          == "a.safetensors: tensor 'model.layers.0.self_attn.q_norm.weight': has no part in the architecture that the config.json "
             "names; this version cannot run the model");
    transformer_config more = tiny::llama;
    more.layer_count = 2147483647;  // not as much memory as the configuration claims
    CHECK(refusal(made.m, more)
          == "a.safetensors: tensor 'model.layers.2.input_layernorm.weight': is missing, expected one of shape [16]; is the config.json "
             "that of this model?");
}

TEST_CASE("buffers and the copy of a tied output layer are passed over, names may lack their stem")
{
    tiny::made_model made = tiny::make_model<float>(tiny::qwen2);
    const token_rows tokens = tiny::make_tokens(10, 23);
    const double loss = transformer<float>(made.m, tiny::qwen2, tokens).loss(0).sum;
    model m = made.m;
    m.tensors.push_back({.name = "lm_head.weight", .shape = {23, 12}, .bytes = m.tensors[0].bytes});
    m.tensors.push_back({.name = "model.layers.0.self_attn.rotary_emb.inv_freq", .shape = {2}});
    transformer<float> t(m, tiny::qwen2, tokens);
    CHECK(t.weights().size() == made.m.tensors.size());
    CHECK(t.loss(0).sum == loss);
    for (named_tensor& tensor : m.tensors)
        if (tensor.name.starts_with("model."))
            tensor.name.erase(0, 6);
    CHECK(transformer<float>(m, tiny::qwen2, tokens).loss(0).sum == loss);

    tiny::made_model gpt2 = tiny::make_model<float>(tiny::gpt2);
    const token_rows words = tiny::make_tokens(10, 29);
    const double expected = transformer<float>(gpt2.m, tiny::gpt2, words).loss(0).sum;
    for (named_tensor& tensor : gpt2.m.tensors)
        tensor.name = "transformer." + tensor.name;
    gpt2.m.tensors.push_back({.name = "transformer.h.0.attn.bias", .shape = {1}});
    CHECK(transformer<float>(gpt2.m, tiny::gpt2, words).loss(0).sum == expected);
}

TEST_CASE("GPT-2 weights that lie [out, in] give the same losses and turned gradients")
{
    const tiny::made_model made = tiny::make_model<double>(tiny::gpt2);
    model turned = made.m;
    std::vector<std::vector<double>> memory;
    memory.reserve(turned.tensors.size());
    for (named_tensor& tensor : turned.tensors) {
        if (tensor.shape.size() != 2 || !tensor.name.starts_with("h."))
            continue;
        const auto* from = reinterpret_cast<const double*>(tensor.bytes.data());
        std::vector<double>& to = memory.emplace_back(tensor.size());
        const std::size_t rows = tensor.shape[0], cols = tensor.shape[1];
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < cols; ++j)
                to[j * rows + i] = from[i * cols + j];
        std::swap(tensor.shape[0], tensor.shape[1]);
        tensor.bytes = std::as_bytes(std::span(to));
    }
    const token_rows tokens = tiny::make_tokens(10, 29);
    transformer<double> a(made.m, tiny::gpt2, tokens), b(turned, tiny::gpt2, tokens);
    tiny::gradients of_a = tiny::room_for_gradients(a), of_b = tiny::room_for_gradients(b);
    CHECK(a.loss_and_gradient(0, tiny::adding_to(of_a)).sum == Approx(b.loss_and_gradient(0, tiny::adding_to(of_b)).sum).epsilon(1e-13));
    for (std::size_t t = 0; t < of_a.size(); ++t) {
        const std::vector<std::size_t>& shape = a.weights()[t].shape;
        const bool lies_turned = shape.size() == 2 && a.weights()[t].name.starts_with("h.");
        const std::size_t rows = shape[0], cols = shape.size() > 1 ? shape[1] : 1;
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < cols; ++j)
                CHECK(std::abs(of_a[t][i * cols + j] - of_b[t][lies_turned ? j * rows + i : i * cols + j]) < 1e-11);
    }
}
