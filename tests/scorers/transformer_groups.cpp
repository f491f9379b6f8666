#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/transformer_groups.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "shape_models.hpp"

using namespace weightscope;
using files::message;

namespace {

constexpr shapes::llama_shape llama3_8b{32, 4096, 32, 8, 128, 14336, 128256};

std::uint64_t parameters_of(const std::vector<sliced_tensor>& tensors)
{
    std::uint64_t sum = 0;
    for (const sliced_tensor& tensor : tensors) {
        std::uint64_t size = 1;
        for (const std::size_t extent : tensor.shape)
            size *= extent;
        sum += size;
    }
    return sum;
}

// The first quarter of each family of some layers.
std::vector<group_place> first_quarter(const grouped_model& groups, std::size_t begin, std::size_t end)
{
    std::vector<group_place> removed;
    for (std::size_t f = 0; f < groups.families.size(); ++f)
        if (groups.families[f].layer >= begin && groups.families[f].layer < end)
            for (std::size_t u = 0; u < groups.families[f].unit_count / 4; ++u)
                removed.push_back({f, u});
    return removed;
}

const group_family& family_of(const grouped_model& groups, group_kind kind, std::size_t layer = 0)
{
    return *std::find_if(groups.families.begin(), groups.families.end(),
                         [&](const group_family& family) { return family.kind == kind && family.layer == layer; });
}

}  // namespace

TEST_CASE("pruned models have the published numbers of parameters")
{
    // horseee/LLM-Pruner, more_results/README.md: a quarter of the heads and channels of blocks 4 to 29, and 4 to 17 of TinyLlama;
    // LLaMA-7B: 5.42 billion in arXiv:2305.11627
    struct published
    {
        shapes::llama_shape shape;
        std::size_t head_count, end;
        std::uint64_t before, after;
    };
    const published models[] = {{llama3_8b, 32, 30, 8030261248, 6612586496},
                                {{22, 2048, 32, 4, 64, 5632, 32000}, 32, 18, 1100048384, 945907712},
                                {{32, 4096, 32, 32, 128, 11008, 32000}, 32, 30, 6738415616, 5422977024}};
    for (const published& p : models) {
        const grouped_model groups = transformer_groups(shapes::llama(p.shape), {.head_count = p.head_count});
        CHECK(groups.parameters == p.before);
        const std::uint64_t after = parameters_of(slice_shapes(groups, first_quarter(groups, 4, p.end)));
        CHECK(after == p.after);
    }
}

TEST_CASE("groups of Llama-3-8B have the costs of the literature")
{
    const grouped_model groups = transformer_groups(shapes::llama(llama3_8b), {.head_size = 128, .context_length = 1000});
    const group_family &head = family_of(groups, group_kind::kv_group, 7), &channel = family_of(groups, group_kind::mlp_channel, 7);
    CHECK(groups.group_count() == 256 + 458752);
    CHECK(groups.places().size() == groups.group_count());
    CHECK(head.unit_count == 8);
    CHECK(head.parameters == 5242880);
    CHECK(head.bytes == 2 * 5242880);
    CHECK(head.flops_per_token == 2 * 5242880 + 4 * 4 * 128 * 1000);  // four query heads, q·k and p·v of 1000 tokens
    CHECK(channel.unit_count == 14336);
    CHECK(channel.parameters == 12288);
    CHECK(channel.flops_per_token == 24576);
    CHECK(head.name(3) == "layer 7 kv_group 3");

    const grouped_model heads = transformer_groups(shapes::llama(llama3_8b), {.kinds = {group_kind::query_head}, .head_size = 128});
    CHECK(family_of(heads, group_kind::query_head).unit_count == 4);
    CHECK(family_of(heads, group_kind::query_head).parameters == 2 * 8 * 128 * 4096);
    const grouped_model parts = transformer_groups(shapes::llama(llama3_8b), {.kinds = {group_kind::attention, group_kind::mlp}});
    CHECK(family_of(parts, group_kind::attention).parameters == 1342177280 / 32 + 4096);  // and the gain before it
    CHECK(family_of(parts, group_kind::mlp).parameters == 5637144576 / 32 + 4096);
    CHECK(parts.head_size == 0);  // nothing needs it
}

TEST_CASE("a group is the rows and columns of its heads, with their biases")
{
    const grouped_model groups = transformer_groups(shapes::llama({1, 10, 4, 2, 3, 7, 5, true}), {.head_size = 3});
    const auto name = [&](std::size_t tensor) { return groups.tensors[tensor].name.substr(15); };
    std::vector<std::string> found;
    for (const group_region& r : family_of(groups, group_kind::kv_group).regions(1))
        found.push_back(fmt::format("{} axis {}: {} + {}", name(r.tensor), r.axis, r.first, r.count));
    CHECK(found
          == std::vector<std::string>{"self_attn.q_proj.weight axis 0: 6 + 6", "self_attn.q_proj.bias axis 0: 6 + 6",
                                      "self_attn.k_proj.weight axis 0: 3 + 3", "self_attn.k_proj.bias axis 0: 3 + 3",
                                      "self_attn.v_proj.weight axis 0: 3 + 3", "self_attn.v_proj.bias axis 0: 3 + 3",
                                      "self_attn.o_proj.weight axis 1: 6 + 6"});
    found.clear();
    for (const group_region& r : family_of(groups, group_kind::mlp_channel).regions(5))
        found.push_back(fmt::format("{} axis {}: {} + {}", name(r.tensor), r.axis, r.first, r.count));
    CHECK(found
          == std::vector<std::string>{"mlp.gate_proj.weight axis 0: 5 + 1", "mlp.gate_proj.bias axis 0: 5 + 1", "mlp.up_proj.weight axis 0: 5 + 1",
                                      "mlp.up_proj.bias axis 0: 5 + 1", "mlp.down_proj.weight axis 1: 5 + 1"});
    CHECK(family_of(groups, group_kind::kv_group).parameters == 6 * 10 + 6 + 2 * (3 * 10 + 3) + 6 * 10);
}

TEST_CASE("query heads go from every key-value head alike")
{
    const grouped_model groups = transformer_groups(shapes::llama({1, 10, 6, 2, 3, 7, 5}), {.kinds = {group_kind::query_head}, .head_size = 3});
    const group_family& heads = family_of(groups, group_kind::query_head);
    CHECK(heads.unit_count == 3);
    const std::vector<group_region> found = heads.regions(1);  // heads 1 and 4
    const std::size_t q = found[0].tensor, o = found[2].tensor;
    CHECK(found == std::vector<group_region>{{q, 0, 3, 3}, {q, 0, 12, 3}, {o, 1, 3, 3}, {o, 1, 12, 3}});
    CHECK(groups.tensors[o].name == "model.layers.0.self_attn.o_proj.weight");
}

TEST_CASE("where one key and value serve all heads, the query heads are the groups")
{
    const grouped_model groups = transformer_groups(shapes::llama({2, 16, 4, 1, 4, 8, 5}), {.head_count = 4});
    CHECK(family_of(groups, group_kind::query_head).unit_count == 4);
    CHECK(family_of(groups, group_kind::query_head).parameters == 2 * 4 * 16);  // 2 d h
    REQUIRE(groups.notes.size() == 1);
    CHECK(groups.notes[0] == "2 of 2 layers have one key-value head, which cannot go: their query heads are the groups");
    const auto none_left = first_quarter(groups, 0, 2);
    CHECK(parameters_of(slice_shapes(groups, none_left)) == groups.parameters - 2 * (2 * 4 * 16 + 2 * 3 * 16));
}

TEST_CASE("fused projections are the same groups as separate ones")
{
    const model separate = shapes::llama({1, 10, 4, 2, 3, 7, 5});
    model fused = shapes::llama({1, 10, 4, 2, 3, 7, 5});
    std::erase_if(fused.tensors, [](const named_tensor& t) {
        return t.name.find("q_proj") != t.name.npos || t.name.find("k_proj") != t.name.npos || t.name.find("v_proj") != t.name.npos
            || t.name.find("gate") != t.name.npos || t.name.find("up_proj") != t.name.npos;
    });
    shapes::add(fused, "model.layers.0.self_attn.qkv_proj.weight", {12 + 6 + 6, 10});
    shapes::add(fused, "model.layers.0.mlp.gate_up_proj.weight", {14, 10});
    const grouped_model a = transformer_groups(separate, {.head_size = 3}), b = transformer_groups(fused, {.head_size = 3});
    for (const group_kind kind : {group_kind::kv_group, group_kind::mlp_channel}) {
        CHECK(family_of(a, kind).unit_count == family_of(b, kind).unit_count);
        CHECK(family_of(a, kind).parameters == family_of(b, kind).parameters);
    }
    const auto regions = family_of(b, group_kind::kv_group).regions(1);
    const std::size_t qkv = regions[0].tensor, o = regions[3].tensor;
    CHECK(regions == std::vector<group_region>{{qkv, 0, 6, 6}, {qkv, 0, 15, 3}, {qkv, 0, 21, 3}, {o, 1, 6, 6}});
    const auto channel = family_of(b, group_kind::mlp_channel).regions(2);
    CHECK(channel[0].first == 2);
    CHECK(channel[1].first == 9);
}

TEST_CASE("GGUF names, LLaMA's own and a fused up projection are known")
{
    model gguf, own;
    for (const std::string name : {"attn_q", "attn_k", "attn_v", "attn_output"})
        shapes::add(gguf, "blk.0." + name + ".weight", {8, 8});
    shapes::add(gguf, "blk.0.ffn_up.weight", {12, 8});
    shapes::add(gguf, "blk.0.ffn_down.weight", {8, 6});
    gguf.metadata = {{"general.architecture", "phi3"}, {"phi3.attention.head_count", "4"}, {"phi3.embedding_length", "8"}};
    const grouped_model a = transformer_groups(gguf);
    CHECK(a.head_size == 2);
    CHECK(family_of(a, group_kind::kv_group).unit_count == 4);
    CHECK(family_of(a, group_kind::mlp_channel).unit_count == 6);
    CHECK(family_of(a, group_kind::mlp_channel).parameters == 3 * 8);

    for (const std::string name : {"attention.wq", "attention.wk", "attention.wv", "attention.wo"})
        shapes::add(own, "layers.0." + name + ".weight", {8, 8});
    for (const std::string name : {"feed_forward.w1", "feed_forward.w3"})
        shapes::add(own, "layers.0." + name + ".weight", {6, 8});
    shapes::add(own, "layers.0.feed_forward.w2.weight", {8, 6});
    const grouped_model b = transformer_groups(own, {.head_count = 4});
    CHECK(family_of(b, group_kind::kv_group).parameters == 4 * 2 * 8);
    CHECK(family_of(b, group_kind::mlp_channel).parameters == 3 * 8);
}

TEST_CASE("GPT-2's turned matrices have groups of columns, and tables are no parameters")
{
    model m;
    shapes::add(m, "h.0.ln_1.weight", {8});
    shapes::add(m, "h.0.attn.bias", {1, 1, 32, 32});
    shapes::add(m, "h.0.attn.c_attn.weight", {8, 24});
    shapes::add(m, "h.0.attn.c_attn.bias", {24});
    shapes::add(m, "h.0.attn.c_proj.weight", {8, 8});
    shapes::add(m, "h.0.attn.c_proj.bias", {8});
    shapes::add(m, "h.0.mlp.c_fc.weight", {8, 20});
    shapes::add(m, "h.0.mlp.c_fc.bias", {20});
    shapes::add(m, "h.0.mlp.c_proj.weight", {20, 8});
    const grouped_model groups = transformer_groups(m, {.head_count = 2});
    CHECK(groups.parameters == 8 + 8 * 24 + 24 + 64 + 8 + 160 + 20 + 160);
    const auto head = family_of(groups, group_kind::kv_group).regions(1);
    CHECK(head
          == std::vector<group_region>{{2, 1, 4, 4}, {3, 0, 4, 4}, {2, 1, 12, 4}, {3, 0, 12, 4}, {2, 1, 20, 4}, {3, 0, 20, 4}, {4, 0, 4, 4}});
    CHECK(family_of(groups, group_kind::mlp_channel).regions(3) == std::vector<group_region>{{6, 1, 3, 1}, {7, 0, 3, 1}, {8, 0, 3, 1}});
    CHECK(family_of(groups, group_kind::mlp_channel).parameters == 8 + 1 + 8);
}

TEST_CASE("an expert is its three matrices and its row of the router")
{
    model own, stacked;
    for (std::size_t e = 0; e < 4; ++e)
        for (const char* name : {"w1", "w2", "w3"})
            shapes::add(own, fmt::format("model.layers.0.block_sparse_moe.experts.{}.{}.weight", e, name),
                        name[1] == '2' ? std::vector<std::size_t>{8, 6} : std::vector<std::size_t>{6, 8});
    shapes::add(own, "model.layers.0.block_sparse_moe.gate.weight", {4, 8});
    shapes::add(stacked, "blk.0.ffn_gate_exps.weight", {4, 6, 8});
    shapes::add(stacked, "blk.0.ffn_up_exps.weight", {4, 6, 8});
    shapes::add(stacked, "blk.0.ffn_down_exps.weight", {4, 8, 6});
    shapes::add(stacked, "blk.0.ffn_gate_inp.weight", {4, 8});
    for (const model* m : {&own, &stacked}) {
        const grouped_model groups = transformer_groups(*m, {.kinds = {group_kind::expert}, .experts_per_token = 2});
        const group_family& experts = family_of(groups, group_kind::expert);
        CHECK(experts.unit_count == 4);
        CHECK(experts.least_kept == 2);
        CHECK(experts.parameters == 3 * 48 + 8);
        CHECK(experts.flops_per_token == (3 * 48 + 8));  // two for each weight, half of the tokens
        const auto left = slice_shapes(groups, std::vector<group_place>{{0, 1}});
        CHECK(parameters_of(left) == groups.parameters - experts.parameters);
    }
}

TEST_CASE("what cannot be grouped is refused")
{
    const auto refused = [](const model& m, const transformer_groups_options& options) {
        return message<std::invalid_argument>([&] { (void)transformer_groups(m, options); });
    };
    const model m = shapes::llama({1, 10, 4, 2, 3, 7, 5});
    CHECK(refused(m, {})
          == "weightscope::transformer_groups(model, options): nothing tells the size of an attention head; put the model's config.json beside "
             "its weights, or give options.head_count");
    CHECK(refused(m, {.kinds = {group_kind::kv_group, group_kind::attention}})
          == "weightscope::transformer_groups(model, options): groups of the kinds kv_group and attention overlap; choose one of them");
    CHECK(refused(m, {.kinds = {group_kind::mlp, group_kind::block}})
          == "weightscope::transformer_groups(model, options): groups of the kinds mlp and block overlap; choose one of them");
    CHECK(refused(m, {.kinds = {}}) == "weightscope::transformer_groups(model, options): options.kinds is empty, expected one or more");
    CHECK(refused(m, {.kinds = {group_kind::expert}})
          == "weightscope::transformer_groups(model, options): the model has no group of the kinds asked for");
    model other;
    shapes::add(other, "fc1.weight", {4, 4});
    CHECK(refused(other, {})
          == "weightscope::transformer_groups(model, options): none of the 1 tensors has the name of a part of a transformer's layer, such as "
             "'model.layers.0.self_attn.q_proj.weight', 'transformer.h.0.attn.c_attn.weight' or 'blk.0.attn_q.weight'");
    CHECK(message<io_error>([&] { (void)transformer_groups(m, {.head_size = 5}); })
          == ": tensor 'model.layers.0.self_attn.o_proj.weight': takes 12 inputs and the projections before it make 24 queries, keys and values, "
             "which are no heads of 5; is the config.json that of this model?");
}
