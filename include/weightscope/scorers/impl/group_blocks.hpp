#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE const block_linear& block_tensors::at(block_part part) const
{
    static const block_linear none;
    const auto found = parts.find(part);
    return found == parts.end() ? none : found->second;
}

WEIGHTSCOPE_INLINE bool is_buffer(std::string_view name)
{
    static constexpr std::string_view endings[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"};
    return ends_with_any(name, endings);
}

WEIGHTSCOPE_INLINE bool conv1d_is_in_out(const model& m)
{
    std::size_t width = 0;
    for (const named_tensor& tensor : m.tensors)
        if (tensor.name.ends_with("ln_1.weight") && tensor.shape.size() == 1)
            width = tensor.shape[0];
    for (const named_tensor& tensor : m.tensors)
        if ((tensor.name.ends_with("attn.c_attn.weight") || tensor.name.ends_with("mlp.c_fc.weight")) && tensor.shape.size() == 2
            && tensor.shape[0] != tensor.shape[1])
            return tensor.shape[0] == width;
    return keeps_conv1d_transposed(m);
}

WEIGHTSCOPE_INLINE std::vector<block_tensors> find_blocks(const model& m)
{
    std::vector<block_tensors> blocks;
    const bool in_out = conv1d_is_in_out(m);
    for (std::size_t i = 0; i < m.tensors.size(); ++i) {
        const named_tensor& tensor = m.tensors[i];
        const auto name = parse_block_name(tensor.name);
        if (!name || !tensor.part_of.empty())
            continue;
        constexpr std::size_t most_layers = 65536;
        if (name->layer >= most_layers)
            throw io_error(m.path, std::nullopt, fmt::format("tensor '{}'", printable(tensor.name)),
                           fmt::format("is of layer {}, expected below {}", name->layer, most_layers));
        blocks.resize(std::max(blocks.size(), name->layer + 1));
        block_tensors& block = blocks[name->layer];
        block.all.push_back(i);
        const bool of_attention = name->part <= block_part::attention_other;
        if (of_attention)
            block.attention.push_back(i);
        else if (name->part != block_part::other || tensor.name.find("mlp.") != std::string::npos || tensor.name.find("ffn_") != std::string::npos)
            block.feed.push_back(i);
        if (is_buffer(tensor.name))
            continue;
        if (name->expert)
            block.experts[*name->expert].emplace_back(name->part, i);
        else if (name->expert_stack)
            block.stacks.emplace_back(name->part, i);
        else {
            block_linear& linear = block.parts[name->part];
            (name->bias ? linear.bias : linear.weight) = i;
            linear.in_out = in_out && has_conv1d_name(tensor.name.substr(0, tensor.name.rfind('.')) + ".weight");
        }
    }
    for (block_tensors& block : blocks)  // Phi-3 in GGUF: the up projection is the gate too
        if (block.at(block_part::up).exists() && !block.at(block_part::gate).exists() && block.at(block_part::down).exists()) {
            const block_linear up = block.at(block_part::up), down = block.at(block_part::down);
            const auto& out = m.tensors[up.weight].shape;
            const auto& in = m.tensors[down.weight].shape;
            if (out.size() == 2 && in.size() == 2 && out[up.out_axis()] == 2 * in[down.in_axis()]) {
                block.parts[block_part::gate_up] = up;
                block.parts.erase(block_part::up);
            }
        }
    return blocks;
}

WEIGHTSCOPE_INLINE std::size_t first_number(const nlohmann::json& fields, std::initializer_list<const char*> names)
{
    for (const char* name : names)
        if (const auto at = fields.find(name); at != fields.end() && at->is_number_unsigned())
            return at->get<std::size_t>();
    return 0;
}

WEIGHTSCOPE_INLINE std::optional<std::filesystem::path> find_config(const model& m)
{
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::is_directory(m.path, error) ? m.path : m.path.parent_path();
    const std::filesystem::path path = folder / "config.json";
    return std::filesystem::is_regular_file(path, error) ? std::optional(path) : std::nullopt;
}

WEIGHTSCOPE_INLINE block_facts find_block_facts(const model& m)
{
    block_facts facts;
    if (const auto arch = find_metadata(m, "general.architecture")) {
        const auto number = [&](const char* name) {
            const auto text = find_metadata(m, fmt::format("{}.{}", *arch, name));
            return text ? metadata_number<std::size_t>(*text).value_or(0) : std::size_t{0};
        };
        facts.head_count = number("attention.head_count");
        facts.head_size = number("attention.key_length");
        if (facts.head_size == 0 && facts.head_count > 0)
            facts.head_size = number("embedding_length") / facts.head_count;
        facts.experts_per_token = number("expert_used_count");
    }
    if (const auto path = find_config(m)) {
        const nlohmann::json fields = read_json_document(*path);
        if (!fields.is_object())
            return facts;
        facts.head_count = first_number(fields, {"num_attention_heads", "n_head"});
        facts.head_size = first_number(fields, {"head_dim"});
        const std::size_t width = first_number(fields, {"hidden_size", "n_embd"});
        if (facts.head_size == 0 && facts.head_count > 0)
            facts.head_size = width / facts.head_count;
        facts.experts_per_token = first_number(fields, {"num_experts_per_tok", "num_experts_per_token"});
    }
    return facts;
}

}  // namespace weightscope::detail
