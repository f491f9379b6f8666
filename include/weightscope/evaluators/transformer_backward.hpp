#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer_forward.hpp>

namespace weightscope::detail {

// Losses of the rows whose target is not negative; the logits become the gradients of these losses.
template <class Real>
void cross_entropy(std::size_t rows, row_block<Real> logits, std::size_t vocabulary, const std::int32_t* targets, row_loss* losses)
{
    for_each_row(rows, [&](std::size_t i) {
        if (targets[i] < 0)
            std::fill_n(logits.row(i), vocabulary, Real{0});
        else
            losses[i] = dispatch(cross_entropy_kernel<Real>{}, logits.row(i), vocabulary, static_cast<std::size_t>(targets[i]));
    });
}

// A run that keeps what the way back needs. Gradients go to the sink from one thread, tensor by tensor from the last layer to the
// first; the embedding's come row by row, and once more as a whole where it is the output layer too.
template <class Real>
class transformer_backward : public transformer_forward<Real>
{
    using base = transformer_forward<Real>;
    using base::activated_, base::config_, base::last_, base::memory_, base::normed_, base::plan_, base::records_, base::rows_,
        base::shape_, base::weights_, base::constant;

public:
    transformer_backward(const transformer_plan& plan, const transformer_weights<Real>& weights, const rope_table<Real>& rope,
                         transformer_memory<Real>& memory, std::span<const std::int32_t> tokens, std::size_t length)
        : base(plan, weights, rope, memory, tokens, length, true)
    {
        const std::size_t width = config_.width, feed = plan.feed_forward_size();
        const std::size_t columns = 4 * width + plan.query_columns() + plan.qkv_columns() + feed + plan.fed_columns();
        Real* at = memory.backward.at_least(rows_ * columns);
        const auto take = [&](std::size_t size) { return row_block<Real>{std::exchange(at, at + rows_ * size), size}; };
        dx_ = take(width), dnormed_ = take(width), dgain_ = take(width), weighted_ = take(width);
        dattended_ = take(plan.query_columns()), dqkv_ = take(plan.qkv_columns());
        dactivated_ = take(feed), dfed_ = take(plan.fed_columns());
    }

    // Forward, losses of the rows with a target, and the gradient of their sum.
    void run(std::span<const std::int32_t> targets, std::span<row_loss> losses, const gradient_sink& sink)
    {
        base::run();
        this->for_each_logits([&](std::size_t first, std::size_t rows, row_block<Real> logits) {
            cross_entropy(rows, logits, config_.vocabulary_size, targets.data() + first, losses.data() + first);
            const row_block<const Real> dlogits = constant(logits);
            linear_backward<Real>(weights_, plan_.head, rows, dlogits, {dnormed_.row(first), dnormed_.stride}, false, memory_.buffers);
            linear_gradient<Real>(plan_.head, rows, constant(normed_, first), dlogits, sink, memory_.panel);
        });
        std::fill_n(dx_.data, rows_ * config_.width, Real{0});
        norm_backward(plan_.final_norm, last_, sink);
        for (std::size_t l = records_.size(); l-- > 0;) {
            feed_backward(plan_.layers[l], records_[l], sink);
            attention_part_backward(plan_.layers[l], records_[l], sink);
        }
        embedding_backward(sink);
    }

private:
    void backward(const linear_map& map, row_block<Real> x, row_block<Real> dy, row_block<Real> dx, bool add, const gradient_sink& sink)
    {
        linear_backward<Real>(weights_, map, rows_, constant(dy), dx, add, memory_.buffers);
        linear_gradient<Real>(map, rows_, constant(x), constant(dy), sink, memory_.panel);
    }

    // Adds to dx_ what comes through the normalisation of x from dnormed_.
    void norm_backward(const norm_map& norm, row_block<Real> x, const gradient_sink& sink)
    {
        const std::vector<Real> gain = weights_.values(norm.gain);
        const auto run_rows = [&]<class Kernel>(Kernel kernel) {
            for_each_row(rows_, [&](std::size_t i) {
                dispatch(kernel, static_cast<const Real*>(x.row(i)), config_.width, static_cast<Real>(config_.norm_epsilon), gain.data(),
                         static_cast<const Real*>(dnormed_.row(i)), weighted_.row(i), dgain_.row(i), dx_.row(i));
            });
        };
        if (config_.family == transformer_family::gpt2)
            run_rows(norm_backward_kernel<true, Real>{});
        else
            run_rows(norm_backward_kernel<false, Real>{});
        sink(norm.gain, 0, std::span<const Real>(column_sums(rows_, config_.width, constant(dgain_))));
        if (norm.shift != no_tensor)
            sink(norm.shift, 0, std::span<const Real>(column_sums(rows_, config_.width, constant(dnormed_))));
    }

    void feed_backward(const layer_map& layer, const layer_record<Real>& r, const gradient_sink& sink)
    {
        const std::size_t size = layer.widths.feed_forward_size;
        if (size == 0)
            return;
        if (!layer.experts.empty()) {
            this->normalize(layer.feed_norm, r.middle, normed_);
            this->experts_of(layer).backward(constant(dx_), dnormed_, sink);
            norm_backward(layer.feed_norm, r.middle, sink);
            return;
        }
        dactivated_.stride = size, dfed_.stride = layer.fed_columns();
        this->activate(layer, r.fed);
        backward(layer.feed_out, activated_, dx_, dactivated_, false, sink);
        for_each_row(rows_, [&](std::size_t i) {
            const Real *fed = r.fed.row(i), *dout = dactivated_.row(i);
            if (config_.family == transformer_family::gpt2)
                dispatch(gelu_backward_kernel<Real>{}, fed, dout, size, dfed_.row(i));
            else
                dispatch(gated_backward_kernel<Real>{}, fed, fed + size, dout, size, dfed_.row(i), dfed_.row(i) + size);
        });
        this->normalize(layer.feed_norm, r.middle, normed_);
        for (std::size_t m = 0; m < layer.feed_in.size(); ++m)
            backward(layer.feed_in[m], normed_, dfed_, dnormed_, m > 0, sink);
        norm_backward(layer.feed_norm, r.middle, sink);
    }

    void attention_part_backward(const layer_map& layer, const layer_record<Real>& r, const gradient_sink& sink)
    {
        if (layer.widths.head_count == 0)
            return;
        dattended_.stride = layer.query_columns(), dqkv_.stride = layer.qkv_columns();
        backward(layer.attention_output, r.attended, dx_, dattended_, false, sink);
        attention_backward<Real>(this->shape_of(layer), constant(r.qkv), constant(dattended_), dqkv_, memory_.buffers);
        this->rotate(layer, dqkv_, Real{-1});
        this->normalize(layer.attention_norm, r.x, normed_);
        for (std::size_t m = 0; m < layer.query_key_value.size(); ++m)
            backward(layer.query_key_value[m], normed_, dqkv_, dnormed_, m > 0, sink);
        norm_backward(layer.attention_norm, r.x, sink);
    }

    void embedding_backward(const gradient_sink& sink)
    {
        const std::size_t width = config_.width, length = shape_.length;
        for (std::size_t i = 0; i < rows_; ++i)
            if (this->tokens_[i] >= 0)
                sink(plan_.embedding, this->token(i) * width, std::span<const Real>(dx_.row(i), width));
        if (plan_.positions == no_tensor)
            return;
        std::vector<Real> sums(length * width);
        for (std::size_t i = 0; i < rows_; ++i)
            for (std::size_t j = 0; j < width; ++j)
                sums[i % length * width + j] += dx_.row(i)[j];
        sink(plan_.positions, 0, std::span<const Real>(sums));
    }

    row_block<Real> dx_ = {}, dnormed_ = {}, dgain_ = {}, weighted_ = {}, dattended_ = {}, dqkv_ = {}, dactivated_ = {}, dfed_ = {};
};

}  // namespace weightscope::detail
