#include <string>
#include <vector>

#include <weightscope/io/matrix_layout.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

named_tensor named(std::string name, std::vector<std::size_t> shape)
{
    named_tensor tensor;
    tensor.name = std::move(name);
    tensor.shape = std::move(shape);
    tensor.dtype = dtype::float32;
    return tensor;
}

}  // namespace

TEST_CASE("the fused projection's shape tells GPT-2's Conv1D from nanoGPT's linear layers")
{
    model gpt2, nano, other, configured;
    gpt2.tensors = {named("transformer.h.0.attn.c_attn.weight", {768, 2304})};
    nano.tensors = {named("transformer.h.0.attn.c_attn.weight", {2304, 768})};
    nano.architecture = "gpt2";
    other.tensors = {named("model.layers.0.self_attn.q_proj.weight", {768, 768})};
    configured.architecture = "gpt2";
    CHECK(keeps_conv1d_transposed(gpt2));
    CHECK_FALSE(keeps_conv1d_transposed(nano));
    CHECK_FALSE(keeps_conv1d_transposed(other));
    CHECK(keeps_conv1d_transposed(configured));
}

TEST_CASE("a stack of experts is told from a convolution by name, then by size")
{
    CHECK(is_expert_stack(named("layers.0.mlp.experts.gate_up_proj", {8, 16, 32})));
    CHECK(is_expert_stack(named("block_sparse_moe.w1", {8, 16, 32})));
    CHECK(is_expert_stack(named("blk.0.ffn_gate", {8, 1024, 512})));
    CHECK_FALSE(is_expert_stack(named("encoder.conv1.weight", {256, 512, 80})));
    CHECK_FALSE(is_expert_stack(named("layer.weight", {256, 512, 3})));
    CHECK_FALSE(is_expert_stack(named("experts.bias", {8, 16})));
}

TEST_CASE("a stack comes apart into matrices that share its bytes")
{
    const std::vector<float> weights(2 * 3 * 4);
    named_tensor stack = named("experts.w", {2, 3, 4});
    stack.bytes = std::as_bytes(std::span(weights));
    stack.offset = 100;
    const auto experts = unstack_experts(stack);
    REQUIRE(experts.size() == 2);
    CHECK(experts[1].name == "experts.w[1]");
    CHECK(experts[1].shape == std::vector<std::size_t>{3, 4});
    CHECK(experts[1].bytes.data() == stack.bytes.data() + 48);
    CHECK(experts[1].offset == 148);
    CHECK(unstack_experts(named("experts.w", {0, 3, 4})).size() == 1);
    CHECK(unstack_experts(named("w", {3, 4})).size() == 1);
}
