#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_builder.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE grouped_model group_builder::make()
{
    require_kinds();
    require(!blocks_.empty(), "{}: none of the {} tensors has the name of a part of a transformer's layer, such as {}", caller,
            model_.tensors.size(), "'model.layers.0.self_attn.q_proj.weight', 'transformer.h.0.attn.c_attn.weight' or 'blk.0.attn_q.weight'");
    list_tensors();
    facts_ = find_block_facts(model_);
    if (options_.head_size > 0)
        facts_.head_size = options_.head_size;
    else if (options_.head_count > 0)
        facts_.head_size = heads_input() / options_.head_count;
    if (options_.experts_per_token > 0)
        facts_.experts_per_token = options_.experts_per_token;
    result_.layer_count = blocks_.size();
    result_.head_size = facts_.head_size;
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer)
        for (const group_kind kind : options_.kinds)
            add(layer, kind);
    if (mqa_layers_ > 0)
        result_.notes.push_back(fmt::format("{} of {} layers have one key-value head, which cannot go: their query heads are the groups",
                                            mqa_layers_, blocks_.size()));
    require(!result_.families.empty(), "{}: the model has no group of the kinds asked for", caller);
    return std::move(result_);
}

WEIGHTSCOPE_INLINE void group_builder::require_kinds() const
{
    require(!options_.kinds.empty(), "{}: options.kinds is empty, expected one or more", caller);
    const auto touches = [](group_kind kind, bool attention) {
        switch (kind) {
        case group_kind::kv_group:
        case group_kind::query_head:
        case group_kind::attention: return attention;
        case group_kind::mlp_channel:
        case group_kind::mlp:
        case group_kind::expert: return !attention;
        case group_kind::block: break;
        }
        return true;
    };
    for (std::size_t i = 0; i < options_.kinds.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            for (const bool attention : {true, false})
                require(!touches(options_.kinds[i], attention) || !touches(options_.kinds[k], attention),
                        "{}: groups of the kinds {} and {} overlap; choose one of them", caller, to_string(options_.kinds[k]),
                        to_string(options_.kinds[i]));
}

WEIGHTSCOPE_INLINE void group_builder::list_tensors()
{
    for (const named_tensor& tensor : model_.tensors) {
        grouped_tensor& t = result_.tensors.emplace_back(
            grouped_tensor{.name = tensor.name, .shape = tensor.shape, .dtype = tensor.dtype, .tied_to = tensor.tied_to});
        if (is_buffer(tensor.name) || !tensor.part_of.empty())
            continue;
        if (const auto name = parse_block_name(tensor.name))
            t.layer = name->layer;
        t.parameters = tensor.size();
        t.bytes = tensor.decoder ? tensor.encoded_bytes : tensor.size() * bits_of(tensor.dtype) / 8;
        if (tensor.tied_to.empty()) {
            result_.parameters += t.parameters;
            result_.bytes += t.bytes;
        }
    }
}

WEIGHTSCOPE_INLINE std::size_t group_builder::heads_input() const
{
    for (const block_tensors& block : blocks_)
        if (block.at(block_part::attention_output).exists())
            return in_of(block.at(block_part::attention_output));
    return 0;
}

WEIGHTSCOPE_INLINE void group_builder::add(std::size_t layer, group_kind kind)
{
    const block_tensors& block = blocks_[layer];
    group_family family{.kind = kind, .layer = layer};
    attention_flops_ = 0;
    switch (kind) {
    case group_kind::kv_group:
    case group_kind::query_head: add_heads(family, block); break;
    case group_kind::mlp_channel: add_channels(family, block); break;
    case group_kind::expert: add_experts(family, block); break;
    case group_kind::attention: add_whole(family, block.attention, block, {block_part::attention_output}); break;
    case group_kind::mlp: add_whole(family, block.feed, block, {block_part::down}); break;
    case group_kind::block: add_whole(family, block.all, block, {block_part::attention_output, block_part::down}); break;
    }
    if (family.unit_count == 0)
        return;
    add_costs(family);
    result_.families.push_back(std::move(family));
}

WEIGHTSCOPE_INLINE void group_builder::add_costs(group_family& family)
{
    const std::uint64_t experts = family.kind == group_kind::expert ? family.unit_count : 1;
    for (const group_slice& slice : family.slices) {
        const std::size_t tensor = slice.region(0, 0).tensor;
        const grouped_tensor& t = result_.tensors[tensor];
        if (t.parameters == 0)
            continue;
        const std::uint64_t elements = t.parameters / extent(tensor, slice.axis) * slice.count * slice.copies;
        family.parameters += elements;
        family.bytes += static_cast<std::uint64_t>(static_cast<double>(t.bytes) * static_cast<double>(elements) / static_cast<double>(t.parameters));
        if (t.shape.size() >= 2)
            family.flops_per_token += 2 * elements;
    }
    if (experts > 1 && facts_.experts_per_token > 0)
        family.flops_per_token = family.flops_per_token * facts_.experts_per_token / experts;
    family.flops_per_token += attention_flops_;
}

}  // namespace weightscope::detail
