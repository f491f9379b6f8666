#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/per_copy.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/rope_table.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/token_targets.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_kernels.hpp>
#include <weightscope/evaluators/transformer_plan.hpp>
#include <weightscope/evaluators/transformer_weights.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

template <class Real>
class transformer_forward;
template <class Real>
struct transformer_memory;

}  // namespace detail

struct transformer_options
{
    std::size_t batch_size = 8;                                ///< rows of tokens in a batch; the last batch may have fewer
    std::optional<std::int32_t> predict_after = {};            ///< in each row, only what follows this token first counts: an answer after its question
    std::optional<rope_layout> rope = {};                      ///< of the query and key weights, if not as the configuration has it
};

/// A decoder of the LLaMA or GPT-2 family over rows of tokens: an evaluator (see evaluator.hpp) with losses, exact gradients, inputs
/// of linear layers, logits, and one further figure, the accuracy of the likeliest token.
///
///     auto gpt2 = open_transformer("openai/gpt2", read_tokens("held_out.npy"));
///     const loss_value loss = gpt2.loss(0);
///     const double perplexity = std::exp(loss.mean());
///
/// loss(batch) is the sum of -log p(token | those before it in its row) and the number of tokens predicted: all but the first of
/// each row, and padding. A sample is a row. Gradients are those of the sum, by backpropagation.
///
/// @tparam Real  float, or double for checks: what is computed in; weights are stored as in the file
/// @note weights stay in the file's memory map, and are converted in small pieces where they are not of type Real; a tensor that is
///       written gets a copy of its own. Losses and gradients have the same bits for any number of threads, but not on every processor.
///       A run uses the threads of the arena that it is called in, and sets BLAS, whose setting is the process's, to one thread
///       meanwhile. The members that run share memory: for several threads make replicas. -inf, Inf and NaN go through as IEEE 754 has them.
template <std::floating_point Real = float>
class transformer
{
public:
    /// @param m        with weights in BF16, F16, F32 or F64 under the names of Hugging Face or of llama.cpp; its bytes must outlive the transformer
    ///                 where no file holds them
    /// @param tokens   below the vocabulary's size, or -1 for padding, at the end of a row only
    /// @throws io_error               a tensor is missing, is of another shape or type, or has no part in this architecture
    /// @throws std::invalid_argument  tokens or options do not fit the model
    transformer(const model& m, const transformer_config& config, token_rows tokens, const transformer_options& options = {});

    [[nodiscard]] const transformer_config& config() const noexcept { return plan_->config; }
    /// The tensors that take part, in the model's order. A tied output layer is its embedding.
    [[nodiscard]] const std::vector<weight_info>& weights() const noexcept { return weights_.infos(); }
    void read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const { weights_.read(tensor, byte_offset, bytes); }
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes) { weights_.write(tensor, byte_offset, bytes); }

    [[nodiscard]] std::size_t batch_count() const noexcept { return (tokens_->rows + batch_size_ - 1) / batch_size_; }
    [[nodiscard]] std::size_t sample_count(std::size_t batch) const { return rows_of(batch).count; }

    [[nodiscard]] loss_value loss(std::size_t batch) { return total(losses(rows_of(batch))); }
    void sample_losses(std::size_t batch, std::span<double> sums)
    {
        const sample_range samples = rows_of(batch);
        require(sums.size() == samples.count, "transformer::sample_losses(batch, losses): room for {} losses, expected {}", sums.size(),
                samples.count);
        sum_samples(losses(samples), sums);
    }

    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink) { return run_backward(rows_of(batch), sink); }
    loss_value sample_gradient(std::size_t batch, std::size_t sample, const gradient_sink& sink)
    {
        const sample_range samples = rows_of(batch);
        require(sample < samples.count, "transformer::sample_gradient(batch, sample, sink): sample is {}, expected below {}", sample,
                samples.count);
        return run_backward({samples.first + sample, 1}, sink);
    }

    /// Inputs of the linear layers, those of the output layer included, under the number of its weight: a tied one's is the embedding.
    void observe(std::size_t batch, const activation_tap& tap);
    /// From now on the inputs of linear layers, those of the output layer included, are what `change` makes of them; {} ends that.
    /// Losses, outputs, figures and what observe() shows of later layers follow; gradients are refused meanwhile. Replicas share it.
    void change_activations(const activation_change& change) { change_ = change; }
    /// Logits of all places of all rows, padding included.
    [[nodiscard]] model_outputs outputs(std::size_t batch);

    [[nodiscard]] std::vector<metric_info> metrics() const { return {{.name = "accuracy", .higher_is_better = true}}; }
    /// How many of the tokens that count in the loss have the highest logit.
    void measure(std::size_t batch, std::span<loss_value> values);

    [[nodiscard]] transformer replicate() const { return *this; }

private:
    struct sample_range
    {
        std::size_t first = 0, count = 0;
    };
    struct scored_rows
    {
        std::vector<std::int32_t> targets;
        std::vector<detail::row_loss> losses;
    };

    sample_range rows_of(std::size_t batch) const
    {
        require(batch < batch_count(), "transformer: batch is {}, expected below {}", batch, batch_count());
        const std::size_t first = batch * batch_size_;
        return {first, std::min(batch_size_, tokens_->rows - first)};
    }
    std::span<const std::int32_t> tokens_of(const sample_range& samples) const
    {
        return std::span(tokens_->tokens).subspan(samples.first * tokens_->length, samples.count * tokens_->length);
    }
    detail::transformer_forward<Real> forward(const sample_range& samples);
    scored_rows no_losses(const sample_range& samples) const
    {
        return {detail::targets_of(tokens_of(samples), tokens_->length, predict_after_),
                std::vector<detail::row_loss>(samples.count * tokens_->length)};
    }
    scored_rows losses(const sample_range& samples);
    void sum_samples(const scored_rows& scored, std::span<double> sums) const;
    loss_value total(const scored_rows& scored) const;
    loss_value run_backward(const sample_range& samples, const gradient_sink& sink);

    std::shared_ptr<const detail::transformer_plan> plan_;
    std::shared_ptr<const token_rows> tokens_;
    std::shared_ptr<const detail::rope_table<Real>> rope_;
    std::size_t batch_size_;
    std::optional<std::int32_t> predict_after_;
    detail::transformer_weights<Real> weights_;
    activation_change change_ = {};
    detail::per_copy<detail::transformer_memory<Real>> memory_ = {};
};

}  // namespace weightscope

#ifdef WEIGHTSCOPE_COMPILED
namespace weightscope {

extern template class transformer<float>;
extern template class transformer<double>;

}  // namespace weightscope
#else
#include <weightscope/evaluators/impl/transformer.hpp>
#endif
