#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_names.hpp>
#include <weightscope/scorers/group_slicer.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void group_slicer::refuse(std::size_t tensor, const std::string& fault) const
{
    throw io_error(model_.path, std::nullopt, fmt::format("tensor '{}'", printable(model_.tensors[tensor].name)), fault);
}

WEIGHTSCOPE_INLINE std::size_t group_slicer::extent(std::size_t tensor, std::size_t axis) const
{
    const auto& shape = model_.tensors[tensor].shape;
    if (axis >= shape.size())
        refuse(tensor, fmt::format("has rank {}, expected {} or more", shape.size(), axis + 1));
    return shape[axis];
}

WEIGHTSCOPE_INLINE void group_slicer::take(std::vector<group_slice>& slices, const block_linear& linear, bool outputs, std::size_t first,
                                           std::size_t count, std::size_t copies, std::size_t pitch)
{
    group_slice slice{.tensor = linear.weight,
                      .axis = outputs ? linear.out_axis() : linear.in_axis(),
                      .first = first,
                      .count = count,
                      .copies = copies,
                      .pitch = pitch,
                      .tensors = {}};
    slices.push_back(slice);
    if (outputs && linear.bias != no_such_tensor) {
        slice.tensor = linear.bias;
        slice.axis = 0;
        slices.push_back(slice);
    }
}

WEIGHTSCOPE_INLINE void group_slicer::add_heads(group_family& family, const block_tensors& block)
{
    const block_linear out = block.at(block_part::attention_output), fused = block.at(block_part::query_key_value);
    block_linear q = block.at(block_part::query), k = block.at(block_part::key), v = block.at(block_part::value);
    if (!out.exists() || (!fused.exists() && !(q.exists() && k.exists() && v.exists())))
        return;
    const std::size_t d = facts_.head_size;
    require(d > 0, "{}: nothing tells the size of an attention head; put the model's config.json beside its weights, or give "
                   "options.head_count",
            caller);
    const std::size_t query_rows = in_of(out), all_rows = fused.exists() ? out_of(fused) : out_of(q) + out_of(k) + out_of(v);
    const std::size_t heads = query_rows / d, kv_rows = (all_rows - std::min(all_rows, query_rows)) / 2, kv_heads = kv_rows / d;
    const bool fits = query_rows % d == 0 && kv_rows % d == 0 && kv_heads > 0 && heads % kv_heads == 0 && query_rows + 2 * kv_rows == all_rows
                   && (fused.exists() || (out_of(q) == query_rows && out_of(k) == kv_rows && out_of(v) == kv_rows));
    if (!fits)
        refuse(out.weight, fmt::format("takes {} inputs and the projections before it make {} queries, keys and values, which are no heads "
                                       "of {}; is the config.json that of this model?",
                                       query_rows, all_rows, d));
    if (fused.exists())
        q = k = v = fused;
    const std::size_t key_row = fused.exists() ? query_rows : 0, value_row = fused.exists() ? query_rows + kv_rows : 0;
    const std::size_t shared = heads / kv_heads;
    if (family.kind == group_kind::kv_group && kv_heads == 1 && heads > 1) {
        ++mqa_layers_;
        family.kind = group_kind::query_head;
    }
    attention_flops_ = 4 * d * options_.context_length;
    if (family.kind == group_kind::query_head) {
        family.unit_count = shared;
        take(family.slices, q, true, 0, d, kv_heads, shared * d);
        take(family.slices, out, false, 0, d, kv_heads, shared * d);
        take(family.gates, out, false, 0, d, kv_heads, shared * d);
        attention_flops_ *= kv_heads;
        return;
    }
    family.unit_count = kv_heads;
    take(family.slices, q, true, 0, shared * d);
    take(family.slices, k, true, key_row, d);
    take(family.slices, v, true, value_row, d);
    take(family.slices, out, false, 0, shared * d);
    if (out.in_out)  // rows lie together
        take(family.gates, out, false, 0, shared * d);
    else
        take(family.gates, v, true, value_row, d);
    attention_flops_ *= shared;
}

WEIGHTSCOPE_INLINE void group_slicer::add_channels(group_family& family, const block_tensors& block)
{
    const block_linear gate = block.at(block_part::gate), fused = block.at(block_part::gate_up), down = block.at(block_part::down);
    const block_linear up = block.at(block_part::up);
    if (!down.exists() || !(up.exists() || fused.exists()))
        return;
    const std::size_t size = in_of(down);
    const bool fits = fused.exists() ? out_of(fused) == 2 * size : out_of(up) == size && (!gate.exists() || out_of(gate) == size);
    if (!fits)
        refuse(down.weight, fmt::format("takes {} inputs, but the projection before it makes {}", size,
                                        fused.exists() ? out_of(fused) / 2 : out_of(up)));
    family.unit_count = size;
    if (fused.exists()) {
        take(family.slices, fused, true, 0, 1);
        take(family.slices, fused, true, size, 1);
    } else {
        if (gate.exists())
            take(family.slices, gate, true, 0, 1);
        take(family.slices, up, true, 0, 1);
    }
    take(family.slices, down, false, 0, 1);
    if (down.in_out)
        take(family.gates, down, false, 0, 1);
    else if (fused.exists())
        take(family.gates, fused, true, size, 1);
    else
        take(family.gates, up, true, 0, 1);
}

WEIGHTSCOPE_INLINE void group_slicer::add_experts(group_family& family, const block_tensors& block)
{
    const auto whole = [&](std::size_t tensor) {
        return group_slice{.tensor = tensor, .axis = 0, .first = 0, .count = extent(tensor, 0), .copies = 1, .pitch = 0, .tensors = {}};
    };
    if (!block.stacks.empty()) {
        family.unit_count = extent(block.stacks.front().second, 0);
        for (const auto& [part, tensor] : block.stacks) {
            if (extent(tensor, 0) != family.unit_count)
                refuse(tensor, fmt::format("holds {} experts, expected {}", extent(tensor, 0), family.unit_count));
            group_slice slice = whole(tensor);
            slice.count = 1;
            family.slices.push_back(slice);
            if (part == block_part::down)
                family.gates.push_back(slice);
        }
    } else if (!block.experts.empty()) {
        family.unit_count = block.experts.size();
        const auto& first = block.experts.begin()->second;
        for (std::size_t i = 0; i < first.size(); ++i) {
            group_slice slice = whole(first[i].second);
            for (const auto& [number, tensors] : block.experts) {
                if (tensors.size() != first.size() || model_.tensors[tensors[i].second].shape != model_.tensors[slice.tensor].shape)
                    refuse(tensors.front().second, fmt::format("is of expert {}, whose tensors are not those of the first one", number));
                slice.tensors.push_back(tensors[i].second);
            }
            family.slices.push_back(slice);
            if (first[i].first == block_part::down)
                family.gates.push_back(slice);
        }
    }
    if (family.unit_count == 0)
        return;
    if (const block_linear router = block.at(block_part::router); router.exists()) {
        if (out_of(router) != family.unit_count)
            refuse(router.weight, fmt::format("chooses among {} experts, but there are {}", out_of(router), family.unit_count));
        take(family.slices, router, true, 0, 1);
        take(family.gates, router, true, 0, 1);
    }
    family.least_kept = std::max<std::size_t>(1, facts_.experts_per_token);
}

WEIGHTSCOPE_INLINE void group_slicer::add_whole(group_family& family, const std::vector<std::size_t>& tensors, const block_tensors& block,
                                                const std::vector<block_part>& outputs)
{
    if (tensors.empty() || (family.kind != group_kind::block && !block.at(outputs.front()).exists() && !block.has_experts()))
        return;
    family.unit_count = 1;
    family.least_kept = 0;
    const auto whole = [&](std::size_t tensor) {
        return group_slice{.tensor = tensor, .axis = 0, .first = 0, .count = extent(tensor, 0), .copies = 1, .pitch = 0, .tensors = {}};
    };
    for (const std::size_t tensor : tensors)
        if (!model_.tensors[tensor].shape.empty())
            family.slices.push_back(whole(tensor));
    for (const block_part part : outputs)
        for (const std::size_t tensor : {block.at(part).weight, block.at(part).bias})
            if (tensor != no_such_tensor)
                family.gates.push_back(whole(tensor));
    if (block.has_experts() && family.kind != group_kind::attention)
        family.gates = family.slices;
    if (family.kind != group_kind::mlp && block.at(block_part::attention_output).exists())
        attention_flops_ = 4 * options_.context_length * in_of(block.at(block_part::attention_output));
}

}  // namespace weightscope::detail
