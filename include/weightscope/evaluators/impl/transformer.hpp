#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/token_targets.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_backward.hpp>
#include <weightscope/evaluators/transformer_forward.hpp>
#include <weightscope/evaluators/transformer_memory.hpp>
#include <weightscope/evaluators/transformer_plan.hpp>

namespace weightscope {

template <std::floating_point Real>
transformer<Real>::transformer(const model& m, const transformer_config& config, token_rows tokens, const transformer_options& options)
    : plan_(std::make_shared<const detail::transformer_plan>(detail::transformer_planner(m, config).make())),
      tokens_(std::make_shared<const token_rows>(std::move(tokens))),
      batch_size_(options.batch_size),
      predict_after_(options.predict_after),
      weights_(plan_->tensors)
{
    require(batch_size_ > 0, "transformer(model, config, tokens, options): options.batch_size is 0, expected 1 or more");
    detail::require_tokens(*tokens_, config);
    rope_ = std::make_shared<const detail::rope_table<Real>>(config, options.rope.value_or(config.rope), tokens_->length);
}

template <std::floating_point Real>
detail::transformer_forward<Real> transformer<Real>::forward(const sample_range& samples)
{
    return {*plan_, weights_, *rope_, memory_.local(), tokens_of(samples), tokens_->length, false, &change_};
}

template <std::floating_point Real>
auto transformer<Real>::losses(const sample_range& samples) -> scored_rows
{
    const detail::blas_threads one(1);
    scored_rows result = no_losses(samples);
    detail::transformer_forward<Real> pass = forward(samples);
    pass.run();
    pass.for_each_logits([&](std::size_t first, std::size_t rows, detail::row_block<Real> logits) {
        detail::cross_entropy(rows, logits, config().vocabulary_size, result.targets.data() + first, result.losses.data() + first);
    });
    weights_.verify();
    return result;
}

template <std::floating_point Real>
void transformer<Real>::sum_samples(const scored_rows& scored, std::span<double> sums) const
{
    for (std::size_t s = 0; s < sums.size(); ++s) {
        sums[s] = 0;
        for (std::size_t i = 0; i < tokens_->length; ++i)
            sums[s] += scored.losses[s * tokens_->length + i].loss;
    }
}

// Sums rows first, so that sample_losses() adds up to it bit by bit.
template <std::floating_point Real>
loss_value transformer<Real>::total(const scored_rows& scored) const
{
    std::vector<double> sums(scored.losses.size() / tokens_->length);
    sum_samples(scored, sums);
    loss_value result;
    for (const double sum : sums)
        result.sum += sum;
    for (const std::int32_t target : scored.targets)
        result.count += target >= 0;
    return result;
}

template <std::floating_point Real>
loss_value transformer<Real>::run_backward(const sample_range& samples, const gradient_sink& sink)
{
    require(!change_.exists(), "transformer: gradients are asked for while activations are changed, expected change_activations({{}}) before");
    const detail::blas_threads one(1);
    scored_rows scored = no_losses(samples);
    detail::transformer_backward<Real> pass(*plan_, weights_, *rope_, memory_.local(), tokens_of(samples), tokens_->length);
    pass.run(scored.targets, scored.losses, sink);
    weights_.verify();
    return total(scored);
}

template <std::floating_point Real>
void transformer<Real>::observe(std::size_t batch, const activation_tap& tap)
{
    const detail::blas_threads one(1);
    forward(rows_of(batch)).run(&tap);
    weights_.verify();
}

template <std::floating_point Real>
model_outputs transformer<Real>::outputs(std::size_t batch)
{
    const detail::blas_threads one(1);
    const sample_range samples = rows_of(batch);
    model_outputs result{.rows = samples.count * tokens_->length, .cols = config().vocabulary_size};
    result.values.resize(result.rows * result.cols);
    detail::transformer_forward<Real> pass = forward(samples);
    pass.run();
    pass.for_each_logits([&](std::size_t first, std::size_t rows, detail::row_block<Real> logits) {
        std::transform(logits.data, logits.data + rows * result.cols, result.values.begin() + static_cast<std::ptrdiff_t>(first * result.cols),
                       [](Real logit) { return static_cast<float>(logit); });
    });
    weights_.verify();
    return result;
}

template <std::floating_point Real>
void transformer<Real>::measure(std::size_t batch, std::span<loss_value> values)
{
    require(values.size() == 1, "transformer::measure(batch, values): room for {} figures, expected 1", values.size());
    const scored_rows scored = losses(rows_of(batch));
    values[0] = {.sum = 0, .count = total(scored).count};
    for (const detail::row_loss& row : scored.losses)
        values[0].sum += row.right;
}

#ifdef WEIGHTSCOPE_COMPILED
template class transformer<float>;
template class transformer<double>;
#endif

}  // namespace weightscope
