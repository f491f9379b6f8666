#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope {

struct importance_estimate
{
    importance_data data = {};
    std::vector<activation_statistics> activations = {};  ///< as in data, to be written to a file
    double loss = 0;                           ///< mean loss; 0 where neither gradients nor curvature were asked for
    metric fisher_to_curvature_ratio = metric::missing("not asked for");  ///< Σ F / Σ H over all tensors; see fisher_to_curvature_ratio()
    std::size_t batches = 0;
    std::size_t samples = 0;                   ///< 0 where the evaluator does not count them
    std::size_t observations = 0;              ///< batches that were run for the activations
    evaluation_counts counts = {};
    double seconds = 0;
};

namespace detail {

WEIGHTSCOPE_INLINE importance_estimate estimate_importance(const importance_evaluator& asked, const importance_options& options);

}  // namespace detail

/// Collects what scores are made of from a model and its calibration data: inputs of layers, gradients, Fisher information, Hessian
/// diagonal.
///
///     const importance_options options = {.activations = true, .gradients = true};
///     fmt::print("{}\n", describe(plan_importance(evaluator, options)));
///     const importance_estimate found = estimate_importance(evaluator, options);
///
///     g = Σ g_n / Σ count     F = Σ g_n² / Σ count     over samples n, count that of the loss
///
/// so that all are derivatives of the mean loss: with a loss per token F is that of a token, as the Hessian is.
///
/// @param evaluator  with what the options ask for: an activation_evaluator, a differentiable_evaluator, a per_sample_gradient_evaluator,
///                   or a differentiable_evaluator with batches of one sample for the Fisher information. Squares of batch means are refused.
/// @param options    see importance_options
/// @return           see importance_estimate; standard errors are from the variance over samples, and over probes for the Hessian
/// @throws std::invalid_argument  the evaluator lacks something, or a tensor or batch does not exist
/// @throws cancelled              the progress callback returned false
/// @note   calls, time and memory as plan_importance() says. Sums in double throughout.
template <class E>
[[nodiscard]] importance_estimate estimate_importance(E& evaluator, const importance_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::estimate_importance(detail::importance_evaluator_of(evaluator, held), options);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/estimate_importance.hpp>
#endif
