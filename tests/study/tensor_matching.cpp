#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/study/normalised_name.hpp>
#include <weightscope/study/tensor_matching.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;

namespace {

std::vector<matchable_tensor> matchables_of(model& m)
{
    std::vector<matchable_tensor> result;
    for (const named_tensor& t : m.tensors)
        result.push_back({t.name, t.shape, &t});
    return result;
}

// "a=b by name, ..."
std::string told(const std::vector<matchable_tensor>& a, const std::vector<matchable_tensor>& b)
{
    std::string text;
    for (const tensor_pair& pair : match_tensors(a, b))
        text += (text.empty() ? "" : ", ") + a[pair.a].name + "=" + b[pair.b].name + " by " + std::string(to_string(pair.how));
    return text;
}

}  // namespace

TEST_CASE("names are told apart from what training and export put around them")
{
    CHECK(normalised_name("module.model.layers.3.self_attn.q_proj.weight") == "layers.3.self_attn.q_proj.weight");
    CHECK(normalised_name("_orig_mod.transformer.wte.weight") == "embed_tokens.weight");
    CHECK(normalised_name("base_model.model.model.norm.weight") == "norm.weight");
    CHECK(normalised_name("model.") == "model.");
    CHECK(normalised_name("conv1.weight") == "conv1.weight");
}

TEST_CASE("the dialects of GGUF, llama2.c and GPT-2 become that of Hugging Face")
{
    const std::vector<std::vector<std::string>> groups = {
        {"token_embd.weight", "tok_embeddings.weight", "model.embed_tokens.weight"},
        {"blk.12.attn_q.weight", "layers.12.attention.wq.weight", "model.layers.12.self_attn.q_proj.weight"},
        {"blk.12.attn_output.weight", "layers.12.attention.wo.weight", "model.layers.12.self_attn.o_proj.weight"},
        {"blk.0.ffn_down.weight", "layers.0.feed_forward.w2.weight", "model.layers.0.mlp.down_proj.weight"},
        {"blk.0.attn_norm.weight", "layers.0.attention_norm.weight", "model.layers.0.input_layernorm.weight"},
        {"blk.0.ffn_norm.weight", "layers.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight"},
        {"output_norm.weight", "norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"}};
    for (const auto& group : groups)
        for (const std::string& name : group)
            CHECK(normalised_name(name) == normalised_name(group.back()));
}

TEST_CASE("tensors are matched by name first, then by normalised name, each once")
{
    const std::vector<matchable_tensor> a = {{"model.x", {2}}, {"y", {2}}, {"model.z", {2}}}, b = {{"z", {2}}, {"x", {2}}, {"model.x", {2}}};
    CHECK(told(a, b) == "model.x=model.x by name, model.z=z by normalised_name");
    // two that would fit one are left alone
    const std::vector<matchable_tensor> twice = {{"module.x", {2}}, {"transformer.x", {2}}}, once = {{"y", {2}}};
    CHECK(told({{"x", {2}}}, twice) == "");
    CHECK(told(twice, once) == "");
}

TEST_CASE("renamed tensors are found by their bytes, and renamed and changed ones by their values")
{
    study_tests::model_in_memory a, b;
    const xt::xtensor<float, 2> first = random_normal<float>({20, 30}, {.seed = 1}), second = random_normal<float>({20, 30}, {.seed = 2}),
                                third = random_normal<float>({20, 30}, {.seed = 3}), ones = xt::ones<float>({20, 30});
    xt::xtensor<float, 2> tuned = second;
    for (std::size_t i = 0; i < tuned.size(); ++i)
        tuned.flat(i) += 0.1f * third.flat(i);
    a.add("a", first).add("b", second).add("c", third).add("ones", ones);
    b.add("q", tuned).add("r", random_normal<float>({20, 30}, {.seed = 4})).add("p", first).add("more", ones);
    const auto of_a = matchables_of(*a), of_b = matchables_of(*b);
    CHECK(told(of_a, of_b) == "a=p by bytes, b=q by values");  // constant tensors are alike by nature
}
