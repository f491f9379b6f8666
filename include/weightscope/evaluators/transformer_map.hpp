#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope::detail {

inline constexpr std::size_t no_tensor = static_cast<std::size_t>(-1);

// y = x W^T + b. All numbers of tensors are places in transformer_plan::tensors.
struct linear_map
{
    std::size_t weight = no_tensor;
    std::size_t bias = no_tensor;
    std::size_t in = 0, out = 0;
    bool in_out = false;         // stored [in, out]
    std::size_t out_column = 0;  // where its outputs begin in a row that several maps share
    std::size_t stack = 1;       // matrices [out, in] in the tensor, one after the other
    std::size_t place = 0;       // which of them

    std::size_t first_row() const { return place * out; }  // among the rows of the whole stack
};

struct norm_map
{
    std::size_t gain = no_tensor;
    std::size_t shift = no_tensor;  // LayerNorm's; RMSNorm has none
};

// One of several feed-forward parts: gate and up share a row.
struct expert_map
{
    linear_map gate = {}, up = {}, down = {};
};

struct layer_map
{
    norm_map attention_norm = {}, feed_norm = {};
    std::vector<linear_map> query_key_value = {};  // one, or three that share a row
    linear_map attention_output = {};
    std::vector<linear_map> feed_in = {};          // one, or gate and up
    linear_map feed_out = {};
    linear_map router = {};                        // where there are experts: in the place of feed_in and feed_out
    std::vector<expert_map> experts = {};
    layer_widths widths = {};                      // of a part that is not there, 0
    std::size_t head_size = 0, feed_parts = 0;

    std::size_t query_columns() const { return widths.head_count * head_size; }
    std::size_t kv_columns() const { return widths.kv_head_count * head_size; }
    std::size_t qkv_columns() const { return query_columns() + 2 * kv_columns(); }
    std::size_t fed_columns() const { return feed_parts * widths.feed_forward_size; }
};

// Which tensor of a model plays which part.
struct transformer_plan
{
    transformer_config config = {};
    std::vector<named_tensor> tensors = {};  // those that are used, in model order
    std::size_t embedding = no_tensor;
    std::size_t positions = no_tensor;
    std::vector<layer_map> layers = {};
    norm_map final_norm = {};
    linear_map head = {};

    std::size_t query_columns() const { return widest(&layer_map::query_columns); }
    std::size_t qkv_columns() const { return widest(&layer_map::qkv_columns); }
    std::size_t fed_columns() const { return widest(&layer_map::fed_columns); }
    std::size_t feed_forward_size() const;

private:
    std::size_t widest(std::size_t (layer_map::*columns)() const) const;
};

// Calls visit(place) for each place of a tensor in the plan, which it may change; no_tensor among them.
template <class Visit>
void visit_tensors(transformer_plan& plan, const Visit& visit)
{
    const auto visit_norm = [&](norm_map& n) { visit(n.gain), visit(n.shift); };
    const auto visit_linear = [&](linear_map& l) { visit(l.weight), visit(l.bias); };
    visit(plan.embedding), visit(plan.positions), visit_norm(plan.final_norm), visit_linear(plan.head);
    for (layer_map& layer : plan.layers) {
        visit_norm(layer.attention_norm), visit_norm(layer.feed_norm);
        visit_linear(layer.attention_output), visit_linear(layer.feed_out);
        for (linear_map& l : layer.query_key_value)
            visit_linear(l);
        for (linear_map& l : layer.feed_in)
            visit_linear(l);
        visit_linear(layer.router);
        for (expert_map& e : layer.experts)
            visit_linear(e.gate), visit_linear(e.up), visit_linear(e.down);
    }
}

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/transformer_map.hpp>
#endif
