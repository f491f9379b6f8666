#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/rope_table.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer_attention.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_experts.hpp>
#include <weightscope/evaluators/transformer_inputs.hpp>
#include <weightscope/evaluators/transformer_kernels.hpp>
#include <weightscope/evaluators/transformer_linear.hpp>
#include <weightscope/evaluators/transformer_memory.hpp>
#include <weightscope/evaluators/transformer_plan.hpp>
#include <weightscope/evaluators/transformer_weights.hpp>

namespace weightscope::detail {

// Calls f(row) for all rows, in parallel.
template <class F>
void for_each_row(std::size_t rows, const F& f)
{
    const even_parts parts(rows, 32);
    parallel_for(parts.count, [&](std::size_t part) {
        for (std::size_t row = parts.begin(part); row < parts.begin(part + 1); ++row)
            f(row);
    });
}

// What the backward pass needs of a layer: its input, projections after RoPE, attention's output, the stream after attention, and
// the feed-forward's first projections. The rest is made again.
template <class Real>
struct layer_record
{
    row_block<Real> x, qkv, attended, middle, fed;
};

// One run over `sequences` rows of `length` tokens. Negative tokens are padding at the end of a row.
template <class Real>
class transformer_forward
{
public:
    transformer_forward(const transformer_plan& plan, const transformer_weights<Real>& weights, const rope_table<Real>& rope,
                        transformer_memory<Real>& memory, std::span<const std::int32_t> tokens, std::size_t length, bool keep,
                        const activation_change* change = nullptr)
        : plan_(plan), config_(plan.config), weights_(weights), rope_(rope), memory_(memory), tokens_(tokens),
          rows_(tokens.size()), shape_{.sequences = tokens.size() / length, .length = length, .head_size = config_.head_size},
          inputs_(memory.changed, tokens, change)
    {
        const std::size_t columns = 2 * config_.width + plan.qkv_columns() + plan.query_columns() + plan.fed_columns();
        const std::size_t count = plan.layers.size(), stride = rows_ * columns;
        Real* memory_at = memory.kept.at_least((keep ? count : 1) * stride + rows_ * config_.width);
        for (std::size_t l = 0; l < count; ++l) {
            Real* at = memory_at + (keep ? l * stride : 0);
            const auto take = [&](std::size_t size) { return row_block<Real>{std::exchange(at, at + rows_ * size), size}; };
            const layer_map& layer = plan.layers[l];
            layer_record<Real>& record = records_.emplace_back();
            record.x = take(config_.width), record.qkv = take(layer.qkv_columns()), record.attended = take(layer.query_columns());
            record.middle = take(config_.width), record.fed = take(layer.fed_columns());
        }
        last_ = {memory_at + (keep ? count : 1) * stride, config_.width};
        Real* passing = memory.passing.at_least(rows_ * (config_.width + plan.feed_forward_size()));
        normed_ = {passing, config_.width};
        activated_ = {passing + rows_ * config_.width, plan.feed_forward_size()};
    }

    // Leaves the normalised final rows in normed().
    void run(const activation_tap* tap = nullptr)
    {
        inputs_.show_to(tap);
        embed(records_.empty() ? last_ : records_[0].x);
        for (std::size_t l = 0; l < records_.size(); ++l)
            run_layer(plan_.layers[l], records_[l], l + 1 < records_.size() ? records_[l + 1].x : last_);
        normalize(plan_.final_norm, last_, normed_);
        head_input_ = inputs_.seen(plan_.head, normed_);
    }

    // Calls f(first_row, rows, logits) for all rows, a quarter gigabyte of logits at a time; f may change them.
    template <class F>
    void for_each_logits(const F& f)
    {
        const std::size_t vocabulary = config_.vocabulary_size;
        const even_parts parts(rows_, std::max<std::size_t>(1, (std::size_t{1} << 26) / vocabulary));
        Real* logits = memory_.logits.at_least(parts.step * vocabulary);
        for (std::size_t p = 0; p < parts.count; ++p) {
            const row_block<Real> block{logits, vocabulary};
            linear_forward<Real>(weights_, plan_.head, parts.extent(p), {head_input_.row(parts.begin(p)), head_input_.stride}, block, false,
                                 memory_.buffers);
            f(parts.begin(p), parts.extent(p), block);
        }
    }

protected:
    static row_block<const Real> constant(row_block<Real> block, std::size_t first = 0) { return {block.row(first), block.stride}; }

    std::size_t token(std::size_t row) const { return tokens_[row] < 0 ? 0 : static_cast<std::size_t>(tokens_[row]); }

    void embed(row_block<Real> out)
    {
        const std::vector<Real> positions = plan_.positions == no_tensor ? std::vector<Real>() : weights_.values(plan_.positions);
        for_each_row(rows_, [&](std::size_t i) {
            weights_.read_values(plan_.embedding, token(i) * config_.width, config_.width, out.row(i));
            if (!positions.empty())
                for (std::size_t j = 0; j < config_.width; ++j)
                    out.row(i)[j] += positions[i % shape_.length * config_.width + j];
        });
    }

    void normalize(const norm_map& norm, row_block<Real> x, row_block<Real> out)
    {
        const std::vector<Real> gain = weights_.values(norm.gain);
        const std::vector<Real> shift = norm.shift == no_tensor ? std::vector<Real>() : weights_.values(norm.shift);
        const auto run_rows = [&]<class Kernel>(Kernel kernel) {
            for_each_row(rows_, [&](std::size_t i) {
                dispatch(kernel, static_cast<const Real*>(x.row(i)), config_.width, static_cast<Real>(config_.norm_epsilon), gain.data(),
                         shift.empty() ? nullptr : shift.data(), out.row(i));
            });
        };
        if (config_.family == transformer_family::gpt2)
            run_rows(norm_kernel<true, Real>{});
        else
            run_rows(norm_kernel<false, Real>{});
    }

    attention_shape shape_of(const layer_map& layer) const
    {
        attention_shape shape = shape_;
        shape.heads = layer.widths.head_count;
        shape.kv_heads = layer.widths.kv_head_count;
        return shape;
    }

    // Turns queries and keys to their positions, or back with sign = -1.
    void rotate(const layer_map& layer, row_block<Real> qkv, Real sign)
    {
        if (config_.family != transformer_family::llama)
            return;
        for_each_row(rows_, [&](std::size_t i) {
            const std::size_t at = i % shape_.length * rope_.pairs;
            for (std::size_t head = 0; head < layer.widths.head_count + layer.widths.kv_head_count; ++head)
                dispatch(rotate_kernel<Real>{}, qkv.row(i) + head * shape_.head_size, rope_.cosine.data() + at, rope_.sine.data() + at,
                         rope_.pairs, sign, rope_.layout == rope_layout::interleaved);
        });
    }

    void activate(const layer_map& layer, row_block<Real> fed)
    {
        const std::size_t size = layer.widths.feed_forward_size;
        activated_.stride = size;
        for_each_row(rows_, [&](std::size_t i) {
            const Real* row = fed.row(i);
            if (config_.family == transformer_family::gpt2)
                dispatch(gelu_kernel<Real>{}, row, size, activated_.row(i));
            else
                dispatch(gated_kernel<Real>{}, row, row + size, size, activated_.row(i));
        });
    }

    void run_layer(const layer_map& layer, layer_record<Real>& r, row_block<Real> next)
    {
        const auto apply = [&](const linear_map& map, row_block<Real> x, row_block<Real> y, bool add) {
            linear_forward<Real>(weights_, map, rows_, inputs_.seen(map, x), y, add, memory_.buffers);
        };
        std::copy_n(r.x.data, rows_ * config_.width, r.middle.data);  // a part that is not there lets the stream pass
        if (layer.widths.head_count > 0) {
            normalize(layer.attention_norm, r.x, normed_);
            for (const linear_map& map : layer.query_key_value)
                apply(map, normed_, r.qkv, false);
            rotate(layer, r.qkv, Real{1});
            attention_forward<Real>(shape_of(layer), constant(r.qkv), r.attended, memory_.buffers);
            apply(layer.attention_output, r.attended, r.middle, true);
        }
        std::copy_n(r.middle.data, rows_ * config_.width, next.data);
        if (!layer.experts.empty()) {
            normalize(layer.feed_norm, r.middle, normed_);
            experts_of(layer).forward(next, inputs_);
        } else if (layer.widths.feed_forward_size > 0) {
            normalize(layer.feed_norm, r.middle, normed_);
            for (const linear_map& map : layer.feed_in)
                apply(map, normed_, r.fed, false);
            activate(layer, r.fed);
            apply(layer.feed_out, activated_, next, true);
        }
    }

    transformer_experts<Real> experts_of(const layer_map& layer)
    {
        return {layer, config_.experts_per_token, weights_, memory_, rows_, normed_};
    }

    const transformer_plan& plan_;
    const transformer_config& config_;
    const transformer_weights<Real>& weights_;
    const rope_table<Real>& rope_;
    transformer_memory<Real>& memory_;
    std::span<const std::int32_t> tokens_;
    std::size_t rows_;
    attention_shape shape_;
    layer_inputs<Real> inputs_;
    std::vector<layer_record<Real>> records_ = {};
    row_block<Real> last_ = {}, normed_ = {}, activated_ = {};
    row_block<const Real> head_input_ = {};
};

}  // namespace weightscope::detail
