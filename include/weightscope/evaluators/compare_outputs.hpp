#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope {

struct compare_outputs_options
{
    std::vector<std::size_t> batches = {};  ///< empty: all
    double peak = 0;  ///< of the signal, for the PSNR; 0: the largest magnitude of the original's outputs
};

/// How far the outputs of a changed model are from those of the original.
struct output_comparison
{
    metric mae = {};              ///< mean absolute difference
    metric rmse = {};             ///< root of the mean squared difference
    metric psnr_db = {};          ///< 20 log10(peak / rmse); missing with the reason "exact" where nothing differs
    double peak = 0;              ///< that the PSNR is for
    metric cosine = {};           ///< of all outputs as one vector; missing where one of them is all zeros
    metric kl_divergence = {};    ///< mean over rows of KL(original, changed) in nats, the rows being logits
    metric top1_agreement = {};   ///< share of rows whose largest output is in the same column; the first one where several are largest
    std::size_t rows = 0;             ///< compared
    std::size_t non_finite_rows = 0;  ///< of them with NaN or Inf on either side: in no figure but top1_agreement, where they disagree
    metric kl_divergence_error = {};  ///< standard error of kl_divergence over the batches; missing for one batch
};

/// Adds up what compare_outputs() reports: one batch with each add().
class output_comparer
{
public:
    /// @param peak  see compare_outputs_options
    explicit output_comparer(double peak = 0);

    /// @throws std::invalid_argument  the two are not of one shape, or have no columns
    void add(const model_outputs& original, const model_outputs& changed);

    [[nodiscard]] output_comparison result() const;

private:
    void add_row(std::span<const float> a, std::span<const float> b);

    double given_peak_ = 0, largest_ = 0;
    double absolute_ = 0, squares_ = 0, product_ = 0, original_squares_ = 0, changed_squares_ = 0, kl_ = 0;
    std::size_t rows_ = 0, non_finite_rows_ = 0, same_top1_ = 0, elements_ = 0;
    std::vector<loss_value> divergences_ = {};  // of each batch
};

namespace detail {

template <class E>
std::vector<std::size_t> output_batches(const E& evaluator, const compare_outputs_options& options)
{
    std::vector<std::size_t> batches = options.batches;
    const std::size_t count = evaluator.batch_count();
    for (std::size_t b = 0; options.batches.empty() && b < count; ++b)
        batches.push_back(b);
    for (const std::size_t batch : batches)
        require(batch < count, "compare_outputs(original, changed, options): batch {} is asked for, expected below {}", batch, count);
    return batches;
}

}  // namespace detail

/// Compares the outputs of two models on the same batches.
///
///     const auto c = compare_outputs(original, quantized);
///
/// @param original  output_evaluator
/// @param changed   output_evaluator with the same batches
/// @param options   see compare_outputs_options
/// @return          see output_comparison
/// @throws std::invalid_argument  the outputs differ in shape, or a batch does not exist
/// @note   the outputs of one batch are in memory at a time; sums in double
template <class E, class F>
    requires(!std::is_invocable_v<F&, weight_patch&>)
[[nodiscard]] output_comparison compare_outputs(E& original, F& changed, const compare_outputs_options& options = {})
{
    static_assert(explain_outputs<E>() && explain_outputs<F>());
    output_comparer comparer(options.peak);
    for (const std::size_t batch : detail::output_batches(original, options)) {
        const model_outputs before = original.outputs(batch), after = changed.outputs(batch);
        comparer.add(before, after);
    }
    return comparer.result();
}

/// Compares the outputs of a model with those it has while some of its weights are changed.
///
///     const auto c = compare_outputs(evaluator, [&](weight_patch& patch) { patch.write(tensor, 0, quantized_bytes); });
///
/// @param evaluator  output_evaluator; its weights are put back
/// @param change     callable as change(weight_patch&): writes the changes; called once per batch
template <class E, class Change>
    requires(std::is_invocable_v<Change&, weight_patch&>)
[[nodiscard]] output_comparison compare_outputs(E& evaluator, Change&& change, const compare_outputs_options& options = {})
{
    static_assert(explain_outputs<E>());
    output_comparer comparer(options.peak);
    for (const std::size_t batch : detail::output_batches(evaluator, options)) {
        const model_outputs before = evaluator.outputs(batch);
        weight_patch patch(evaluator);
        change(patch);
        const model_outputs after = evaluator.outputs(batch);
        patch.restore();
        comparer.add(before, after);
    }
    return comparer.result();
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/compare_outputs.hpp>
#endif
