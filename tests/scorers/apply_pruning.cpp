#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/apply_config.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_pruning.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/transformer_groups.hpp>

#include "../catch.hpp"
#include "../evaluators/gguf_models.hpp"
#include "../evaluators/tiny_transformers.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"

using namespace weightscope;
using files::message;

namespace {

double loss_of(transformer<double>& t) { return t.loss(0).mean(); }

struct pruned_losses
{
    double whole = 0, masked = 0, gated = 0, sliced = 0;
};

// The loss with the groups as zeros, with their gates as zeros, and without them.
pruned_losses losses_without(const tiny::made_model& made, const transformer_config& config, const grouped_model& groups,
                             const std::vector<group_place>& removed, rope_layout rope = rope_layout::half_split)
{
    const transformer_options options{.rope = rope};
    const token_rows tokens = tiny::make_tokens(14, config.vocabulary_size);
    transformer<double> t(made.m, config, tokens, options);
    pruned_losses result{.whole = loss_of(t)};
    {
        weight_patch patch(t);
        apply_masks(patch, t, made.m, masks_of_groups(groups, removed));
        result.masked = loss_of(t);
    }
    {
        weight_patch patch(t);
        for (const group_place& place : removed)
            for (const weight_slice& slice : gate_of(groups, place, t.weights()).slices) {
                REQUIRE(slice.stride == 1);
                patch.write(slice.tensor, 8 * slice.first, std::vector<std::byte>(8 * slice.count));
            }
        result.gated = loss_of(t);
    }
    const sliced_model smaller = slice_model(made.m, groups, removed);
    transformer<double> s(smaller.smaller, slice_config(config, groups, removed), tokens, options);
    result.sliced = loss_of(s);
    return result;
}

std::vector<group_place> every_other(const grouped_model& groups)
{
    std::vector<group_place> removed;
    for (std::size_t f = 0; f < groups.families.size(); ++f)
        for (std::size_t u = f % 2; u + 1 < groups.families[f].unit_count; u += 2)
            removed.push_back({f, u});
    return removed;
}

void check(const tiny::made_model& made, const transformer_config& config, const grouped_model& groups, const std::vector<group_place>& removed,
           rope_layout rope = rope_layout::half_split)
{
    const pruned_losses found = losses_without(made, config, groups, removed, rope);
    CHECK(std::abs(found.masked - found.whole) > 1e-4);
    CHECK(found.sliced == Approx(found.masked).epsilon(1e-12));
    CHECK(found.gated == Approx(found.masked).epsilon(1e-12));
}

transformer_groups_options kinds(std::vector<group_kind> list, const transformer_config& config)
{
    return {.kinds = std::move(list), .head_size = config.head_size};
}

// A config.json that read_transformer_config() makes `tiny::llama` or `tiny::gpt2` of.
std::string config_text(const transformer_config& c)
{
    if (c.family == transformer_family::gpt2)
        return fmt::format(R"({{"model_type":"gpt2","vocab_size":{},"n_embd":{},"n_layer":{},"n_head":{},"n_inner":{},"n_positions":{}}})",
                           c.vocabulary_size, c.width, c.layer_count, c.head_count, c.feed_forward_size, c.max_positions);
    const std::string experts =
        c.expert_count > 0 ? fmt::format(R"(,"num_local_experts":{},"num_experts_per_tok":{})", c.expert_count, c.experts_per_token) : "";
    return fmt::format(R"({{"model_type":"{}","vocab_size":{},"hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
                       R"("num_key_value_heads":{},"head_dim":{},"intermediate_size":{},"max_position_embeddings":{},"rms_norm_eps":1e-05{}}})",
                       c.expert_count > 0 ? "mixtral" : "llama", c.vocabulary_size, c.width, c.layer_count, c.head_count, c.kv_head_count, c.head_size, c.feed_forward_size, c.max_positions, experts);
}

// The model as a folder.
void write_folder(const std::filesystem::path& folder, const tiny::made_model& made, const transformer_config& config)
{
    files::write(folder / "config.json", config_text(config));
    std::vector<tensor_to_write> tensors;
    for (const named_tensor& t : made.m.tensors)
        tensors.push_back({.name = t.name, .dtype = t.dtype, .shape = t.shape, .bytes = t.bytes});
    write_safetensors(folder / "model.safetensors", tensors);
}

}  // namespace

TEST_CASE("a sliced model has the loss of the masked one, and so has one whose gates are shut")
{
    const tiny::made_model llama = tiny::make_model(tiny::llama), gpt2 = tiny::make_model(tiny::gpt2), qwen2 = tiny::make_model(tiny::qwen2),
                           biased = tiny::make_model(tiny::llama3);
    const std::vector<group_kind> structured = {group_kind::kv_group, group_kind::mlp_channel};
    const auto run = [&](const tiny::made_model& made, const transformer_config& config, rope_layout rope = rope_layout::half_split) {
        const grouped_model groups = transformer_groups(made.m, kinds(structured, config));
        check(made, config, groups, every_other(groups), rope);
    };
    run(llama, tiny::llama);
    run(gpt2, tiny::gpt2);
    run(qwen2, tiny::qwen2);   // one key-value head: its query heads
    run(biased, tiny::llama3, rope_layout::interleaved);
    const grouped_model heads = transformer_groups(llama.m, kinds({group_kind::query_head}, tiny::llama));
    check(llama, tiny::llama, heads, {{0, 1}, {1, 0}});
}

TEST_CASE("without an expert its tokens go to the others, in the sliced model and in the masked one")
{
    const tiny::made_model made = tiny::make_model(tiny::mixtral);
    const grouped_model groups = transformer_groups(made.m, kinds({group_kind::expert}, tiny::mixtral));
    check(made, tiny::mixtral, groups, {{0, 1}});
    check(made, tiny::mixtral, groups, {{0, 0}, {0, 2}, {1, 3}});
    // fewer are left than a token would take
    check(made, tiny::mixtral, groups, {{0, 0}, {0, 1}, {0, 2}, {1, 1}});
    // with heads and whole parts of layers
    const grouped_model mixed = transformer_groups(made.m, kinds({group_kind::attention, group_kind::mlp}, tiny::mixtral));
    check(made, tiny::mixtral, mixed, {{1, 0}, {2, 0}});
    const grouped_model blocks = transformer_groups(made.m, kinds({group_kind::block}, tiny::mixtral));
    check(made, tiny::mixtral, blocks, {{0, 0}});
    // the names of those that are left are those of a model that never had more
    const sliced_model smaller = slice_model(made.m, groups, std::vector<group_place>{{1, 0}, {1, 2}});
    std::vector<std::string> names;
    for (const named_tensor& t : smaller.smaller.tensors)
        if (t.name.ends_with("w1.weight"))
            names.push_back(t.name.substr(13));
    CHECK(names
          == std::vector<std::string>{"0.block_sparse_moe.experts.0.w1.weight", "0.block_sparse_moe.experts.1.w1.weight",
                                      "0.block_sparse_moe.experts.2.w1.weight", "0.block_sparse_moe.experts.3.w1.weight",
                                      "1.block_sparse_moe.experts.0.w1.weight", "1.block_sparse_moe.experts.1.w1.weight"});
    const std::size_t third = tiny::tensor_number(transformer<double>(made.m, tiny::mixtral, tiny::make_tokens(4, 27)).weights(),
                                                  "model.layers.1.block_sparse_moe.experts.3.w2.weight");
    for (const named_tensor& t : smaller.smaller.tensors)
        if (t.name == "model.layers.1.block_sparse_moe.experts.1.w2.weight")
            CHECK(std::memcmp(t.bytes.data(), made.m.tensors[third].bytes.data(), t.bytes.size()) == 0);
}

TEST_CASE("a GGUF file without its groups is a folder in Hugging Face's words")
{
    const files::temporary_folder place;
    const auto check_written = [&](const transformer_config& of, const std::string& name, const std::vector<group_kind>& wanted,
                                   const std::vector<group_place>& removed, bool plain) {
        INFO(name);
        const tiny::made_model made = tiny::make_model(of);
        const model m = read_gguf(files::write(place / (name + ".gguf"), gguf_models::gguf_of(made.m, of, "llama").content()));
        const grouped_model groups = transformer_groups(m, {.kinds = wanted});
        const token_rows tokens = tiny::make_tokens(14, of.vocabulary_size);
        const written_model written = write_pruned(place / name, m, groups, removed);
        CHECK(written.files == std::vector<std::string>{"model.safetensors", "config.json"});
        CHECK(written.plain == plain);
        const sliced_model sliced = slice_model(m, groups, removed);
        transformer<double> in_memory(sliced.smaller, slice_config(read_transformer_config(m), groups, removed), tokens);
        const model again = open_model(place / name);
        const transformer_config config = read_transformer_config(place / name / "config.json");
        CHECK(config.rope == rope_layout::half_split);
        transformer<double> t(again, config, tokens);
        CHECK(t.loss(0).sum == Approx(in_memory.loss(0).sum).epsilon(1e-12));
        return again.tensors;
    };
    // a channel of the first layer, and a key-value group with its query heads of the second
    (void)check_written(tiny::llama, "uneven", {group_kind::kv_group, group_kind::mlp_channel}, {{1, 3}, {2, 0}}, false);
    const auto names = check_written(tiny::mixtral, "experts", {group_kind::expert}, {{0, 1}, {1, 3}}, true);
    std::size_t of_experts = 0;
    for (const named_tensor& t : names)
        of_experts += t.name.find(".block_sparse_moe.experts.") != std::string::npos ? 1 : 0;
    CHECK(of_experts == 2 * 3 * 3);
    const auto all_of = [](const std::vector<named_tensor>& tensors, std::string_view name) {
        return std::any_of(tensors.begin(), tensors.end(), [&](const named_tensor& t) { return t.name == name; });
    };
    CHECK(all_of(names, "model.layers.1.block_sparse_moe.experts.2.w2.weight"));
    CHECK(all_of(names, "model.layers.0.self_attn.q_proj.weight"));
    CHECK(all_of(names, "model.layers.0.block_sparse_moe.gate.weight"));
    (void)check_written(tiny::mixtral, "uneven experts", {group_kind::expert}, {{0, 1}}, false);

    // what config.json has no words for is written as it is, and that is said
    const tiny::made_model made = tiny::make_model(tiny::llama);
    gguf_writer::file f = gguf_models::gguf_of(made.m, tiny::llama, "llama");
    f.tensors.push_back({"rope_freqs.weight", {tiny::llama.head_size / 2}, 0, gguf_writer::bytes_of(std::vector<float>(tiny::llama.head_size / 2, 1.0F))});
    const model slowed = read_gguf(files::write(place / "slowed.gguf", f.content()));
    const written_model kept = write_pruned(place / "slowed", slowed, transformer_groups(slowed, {.kinds = {group_kind::mlp_channel}}), {});
    CHECK_FALSE(kept.plain);
    CHECK(kept.files == std::vector<std::string>{"model.safetensors"});
    CHECK(kept.reason == "config.json has no words for the divisors of rotations in 'rope_freqs.weight'");
}

TEST_CASE("the configuration says how many experts are left")
{
    const tiny::made_model made = tiny::make_model(tiny::mixtral);
    const files::temporary_folder place;
    write_folder(place / "whole", made, tiny::mixtral);
    const model whole = open_model(place / "whole");
    const grouped_model groups = transformer_groups(whole, {.kinds = {group_kind::expert}});
    CHECK(groups.families[0].least_kept == 2);
    const token_rows tokens = tiny::make_tokens(14, tiny::mixtral.vocabulary_size);
    const auto written = [&](const char* name, const std::vector<group_place>& removed) {
        const written_model w = write_pruned(place / name, whole, groups, removed);
        auto t = open_transformer<double>(place / name, tokens);
        const sliced_model sliced = slice_model(whole, groups, removed);
        transformer<double> in_memory(sliced.smaller, slice_config(tiny::mixtral, groups, removed), tokens);
        CHECK(loss_of(t) == loss_of(in_memory));
        return w;
    };
    // as many in every layer: the words of Hugging Face
    const written_model even = written("even", {{0, 1}, {1, 3}});
    CHECK(even.plain);
    const transformer_config config = read_transformer_config(place / "even" / "config.json");
    CHECK(config.expert_count == 3);
    CHECK(config.experts_per_token == 2);
    CHECK(config.layers.empty());
    CHECK(config.feed_forward_size == 10);
    // different numbers: only this library knows
    const written_model uneven = written("uneven", {{0, 1}, {0, 2}, {1, 3}});
    CHECK_FALSE(uneven.plain);
    CHECK(uneven.reason == "its layers differ in their number of experts");
    CHECK(read_transformer_config(place / "uneven" / "config.json").layers == std::vector<layer_widths>{{2, 1, 10, 2}, {2, 1, 10, 3}});
    // the word that the configuration has, and none
    for (const char* word : {"num_local_experts", "num_experts", "n_routed_experts"}) {
        nlohmann::ordered_json fields = {{word, 4}, {"hidden_size", 12}, {"num_attention_heads", 2}};
        CHECK(slice_config_file(fields, groups, std::vector<group_place>{{0, 1}, {1, 3}}).plain);
        CHECK(fields[word] == 3);
        CHECK_FALSE(fields.contains("intermediate_size"));  // it need not be that of the experts
    }
    nlohmann::ordered_json wordless = {{"hidden_size", 12}, {"num_attention_heads", 2}};
    const sliced_config_file mute = slice_config_file(wordless, groups, std::vector<group_place>{{0, 1}, {1, 3}});
    CHECK_FALSE(mute.plain);
    CHECK(mute.reason == "its configuration does not say how many experts it has");
}

TEST_CASE("without its attention, its feed-forward part or a whole layer the residual stream passes")
{
    for (const transformer_config& config : {tiny::llama, tiny::gpt2}) {
        const tiny::made_model made = tiny::make_model(config);
        for (const group_kind kind : {group_kind::attention, group_kind::mlp, group_kind::block}) {
            const grouped_model groups = transformer_groups(made.m, kinds({kind}, config));
            check(made, config, groups, {{0, 0}});
            check(made, config, groups, {{1, 0}});
        }
        // a model without any attention and feed-forward part is its embedding and its head
        const grouped_model parts = transformer_groups(made.m, kinds({group_kind::attention, group_kind::mlp}, config));
        check(made, config, parts, {{0, 0}, {1, 0}, {2, 0}, {3, 0}});
        check(made, config, parts, {{0, 0}, {3, 0}});
    }
    // a block that returned its input twice would double the stream: RMSNorm hides that in the end, so look at the layer in the middle
    const tiny::made_model made = tiny::make_model(tiny::llama);
    const grouped_model blocks = transformer_groups(made.m, kinds({group_kind::block}, tiny::llama));
    const sliced_model smaller = slice_model(made.m, blocks, std::vector<group_place>{{0, 0}});
    CHECK(smaller.smaller.tensors[1].name == "model.layers.0.input_layernorm.weight");
    CHECK(smaller.smaller.tensors[1].bytes[3] == made.m.tensors[10].bytes[3]);
    CHECK(slice_config(tiny::llama, blocks, std::vector<group_place>{{0, 0}}).layer_count == 1);
}

TEST_CASE("gradients of a model whose layers differ are those of the masked one where it has weights")
{
    const tiny::made_model made = tiny::make_model(tiny::llama);
    const grouped_model groups = transformer_groups(made.m, kinds({group_kind::kv_group, group_kind::mlp_channel}, tiny::llama));
    const std::vector<group_place> removed = {{0, 1}, {1, 3}, {1, 7}, {3, 0}};
    const token_rows tokens = tiny::make_tokens(14, tiny::llama.vocabulary_size);
    transformer<double> t(made.m, tiny::llama, tokens);
    const sliced_model smaller = slice_model(made.m, groups, removed);
    transformer<double> s(smaller.smaller, slice_config(tiny::llama, groups, removed), tokens);
    tiny::gradients whole = tiny::room_for_gradients(t), part = tiny::room_for_gradients(s);
    weight_patch patch(t);
    apply_masks(patch, t, made.m, masks_of_groups(groups, removed));
    t.loss_and_gradient(0, tiny::adding_to(whole));
    s.loss_and_gradient(0, tiny::adding_to(part));
    const std::vector<sliced_tensor> shapes = slice_shapes(groups, removed);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const std::vector<double> expected = [&] {
            const auto bytes = std::as_bytes(std::span(whole[shapes[i].source]));
            const auto kept = detail::kept_bytes(bytes, made.m.tensors[shapes[i].source].shape, 8, shapes[i].kept);
            std::vector<double> values(kept.size() / 8);
            std::memcpy(values.data(), kept.data(), kept.size());
            return values;
        }();
        REQUIRE(part[i].size() == expected.size());
        double most = 0;
        for (std::size_t k = 0; k < expected.size(); ++k)
            most = std::max(most, std::abs(part[i][k] - expected[k]));
        CHECK(most < 1e-11);
    }
}

TEST_CASE("what was written opens, with the words of Hugging Face where layers are alike")
{
    const files::temporary_folder folder;
    const tiny::made_model made = tiny::make_model(tiny::llama);
    write_folder(folder / "whole", made, tiny::llama);
    files::write(folder / "whole" / "tokenizer.json", "{}");
    const model m = open_model(folder / "whole");
    const grouped_model groups = transformer_groups(m);
    CHECK(groups.head_size == 6);
    const token_rows tokens = tiny::make_tokens(14, tiny::llama.vocabulary_size);

    const std::vector<group_place> alike = {{0, 1}, {1, 2}, {1, 5}, {2, 0}, {3, 0}, {3, 9}};
    const written_model uniform = write_pruned(folder / "uniform", m, groups, alike);
    CHECK(uniform.plain);
    CHECK(uniform.files == std::vector<std::string>{"model.safetensors", "config.json", "tokenizer.json"});
    const transformer_config config = read_transformer_config(folder / "uniform" / "config.json");
    CHECK(config.head_count == 2);
    CHECK(config.kv_head_count == 1);
    CHECK(config.head_size == 6);
    CHECK(config.feed_forward_size == 18);
    CHECK(config.layers.empty());
    CHECK(files::content(folder / "uniform" / "config.json").find("weightscope") == std::string::npos);
    transformer<double> opened = open_transformer<double>(folder / "uniform", tokens);
    CHECK(loss_of(opened) == Approx(losses_without(made, tiny::llama, groups, alike).masked).epsilon(1e-12));

    const std::vector<group_place> different = {{0, 1}, {1, 2}, {3, 0}, {3, 9}};
    const written_model uneven = write_pruned(folder / "uneven", m, groups, different);
    CHECK(!uneven.plain);
    CHECK(uneven.reason == "its layers differ in width");
    CHECK(read_transformer_config(folder / "uneven" / "config.json").layers == std::vector<layer_widths>{{2, 1, 19}, {4, 2, 18}});
    transformer<double> reopened = open_transformer<double>(folder / "uneven", tokens);
    CHECK(loss_of(reopened) == Approx(losses_without(made, tiny::llama, groups, different).masked).epsilon(1e-12));

    // a pruned model can be pruned again
    const model again = open_model(folder / "uneven");
    const grouped_model smaller = transformer_groups(again);
    // head 1 of layer 0: rows of 2 query, key and value heads and 2 columns, 6 · 6 · 16; three channels of 3 · 16
    CHECK(smaller.parameters == groups.parameters - 6 * 6 * 16 - 3 * 3 * 16);
}

TEST_CASE("a layer that is gone is missing in the configuration too, and GPT-2 keeps its words")
{
    const files::temporary_folder folder;
    const tiny::made_model made = tiny::make_model(tiny::gpt2);
    write_folder(folder / "whole", made, tiny::gpt2);
    const model m = open_model(folder / "whole");
    const token_rows tokens = tiny::make_tokens(14, tiny::gpt2.vocabulary_size);
    const grouped_model blocks = transformer_groups(m, {.kinds = {group_kind::block}});
    const written_model shorter = write_pruned(folder / "shorter", m, blocks, std::vector<group_place>{{0, 0}});
    CHECK(shorter.plain);
    CHECK(read_transformer_config(folder / "shorter" / "config.json").layer_count == 1);
    transformer<double> opened = open_transformer<double>(folder / "shorter", tokens);
    CHECK(loss_of(opened) == Approx(losses_without(made, tiny::gpt2, blocks, {{0, 0}}).masked).epsilon(1e-12));

    const grouped_model channels = transformer_groups(m, {.kinds = {group_kind::mlp_channel}});
    CHECK(write_pruned(folder / "narrow", m, channels, std::vector<group_place>{{0, 3}, {1, 5}}).plain);
    CHECK(read_transformer_config(folder / "narrow" / "config.json").feed_forward_size == 39);
    const grouped_model heads = transformer_groups(m, {.kinds = {group_kind::kv_group}});
    const written_model fewer = write_pruned(folder / "fewer", m, heads, std::vector<group_place>{{0, 0}, {1, 0}});
    CHECK(fewer.reason == "a head of GPT-2 is as wide as the stream divided by the number of heads");
    transformer<double> reopened = open_transformer<double>(folder / "fewer", tokens);
    CHECK(loss_of(reopened) == Approx(losses_without(made, tiny::gpt2, heads, {{0, 0}, {1, 0}}).masked).epsilon(1e-12));
}

TEST_CASE("masks are zeros in the model's own shapes")
{
    const files::temporary_folder folder;
    const tiny::made_model made = tiny::make_model<float>(tiny::llama);
    write_folder(folder / "whole", made, tiny::llama);
    const model m = open_model(folder / "whole");
    const grouped_model groups = transformer_groups(m);
    const std::vector<group_place> removed = {{0, 1}, {1, 2}};
    const model_masks masks = masks_of_groups(groups, removed);
    write_pruned(folder / "masked", m, masks);
    const model masked = open_model(folder / "masked");
    std::size_t zeros = 0, changed = 0;
    REQUIRE(masked.tensors.size() == m.tensors.size());
    for (std::size_t t = 0; t < m.tensors.size(); ++t) {
        REQUIRE(masked.tensors[t].shape == m.tensors[t].shape);
        const float *a = reinterpret_cast<const float*>(m.tensors[t].bytes.data()), *b = reinterpret_cast<const float*>(masked.tensors[t].bytes.data());
        for (std::size_t i = 0; i < m.tensors[t].size(); ++i) {
            const bool gone = masks[t].size() > 0 && masks[t].removed(i);
            zeros += gone && b[i] == 0 ? 1 : 0;
            changed += !gone && a[i] != b[i] ? 1 : 0;
        }
    }
    CHECK(zeros == groups.families[0].parameters + groups.families[1].parameters);
    CHECK(changed == 0);
}

TEST_CASE("a model is not written over itself, nor sliced by another one's groups")
{
    const files::temporary_folder folder;
    const tiny::made_model made = tiny::make_model<float>(tiny::llama), other = tiny::make_model<float>(tiny::qwen2);
    write_folder(folder / "whole", made, tiny::llama);
    const model m = open_model(folder / "whole");
    const grouped_model groups = transformer_groups(m);
    CHECK(message<std::invalid_argument>([&] { (void)write_pruned(folder / "whole", m, groups, std::vector<group_place>{}); })
          == "weightscope::write_pruned(folder, model, groups, removed): " + (folder / "whole").string()
                 + " is the folder of the model itself, expected another one");
    CHECK(message<std::invalid_argument>([&] { (void)slice_model(other.m, groups, std::vector<group_place>{}); })
          == "weightscope::slice_model(model, groups, removed): the groups are of another model than ");
    CHECK(message<std::invalid_argument>([&] { (void)slice_shapes(groups, std::vector<group_place>{{9, 0}}); })
          == "weightscope::slice_shapes(groups, removed): group 0 of family 9 does not exist");
    CHECK(message<write_error>([&] { (void)write_pruned(folder / "whole" / "config.json" / "x", m, groups, std::vector<group_place>{}); })
              .find("cannot be made") != std::string::npos);
}

TEST_CASE("widths of layers in a configuration are checked")
{
    const files::temporary_folder folder;
    const auto refused = [&](const std::string& list) {
        std::string text = config_text(tiny::llama);
        text.replace(text.size() - 1, 1, ",\"weightscope_layers\":" + list + "}");
        const auto path = files::write(folder / "config.json", text);
        return message<io_error>([&] { (void)read_transformer_config(path); }).substr(path.string().size() + 2);
    };
    CHECK(refused("[]") == "weightscope_layers: is [], expected a list of 2 layers");
    CHECK(refused(R"([{"num_attention_heads":4,"num_key_value_heads":3,"intermediate_size":0},{}])")
          == "weightscope_layers[0].num_key_value_heads: is 3, expected a divisor of num_attention_heads, 4");
    CHECK(refused(R"([{"num_attention_heads":0,"num_key_value_heads":0,"intermediate_size":0},{}])")
          == "weightscope_layers[1].num_attention_heads: is missing; the model's own config.json is needed, whole");
}
