#pragma once

#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

struct ablation_options
{
    double noise = 0;   ///< standard deviation of the mean loss's error, for the standard errors; 0: half a place of the loss in double
    double step = 0.0625;  ///< of score_probe(), share of the weights
    evaluation_options evaluation = {};
};

/// How much each group of weights matters, as changes of the mean loss when it is removed.
struct group_importance_result
{
    std::vector<double> scores = {};           ///< one for each group; NaN where the loss was not finite
    std::vector<double> standard_errors = {};  ///< due to the noise of the loss
    std::string method = {};                   ///< "ablation", "probe"
    std::string formula = {};
    bool predicts_change = true;
    importance_origin origin = {};
    double loss = 0;                           ///< mean loss of the unchanged model
    evaluation_counts counts = {};
    std::vector<double> batch_errors = {};     ///< standard errors over the batches: how far other batches might say something else; NaN for one batch
};

namespace detail {

WEIGHTSCOPE_INLINE group_importance_result score_by_probe(any_evaluator& evaluator, std::span<const weight_group> groups,
                                                          const ablation_options& options, bool ablate, const char* caller);

}  // namespace detail

/// The exact importance of groups, such as channels, heads or layers: each is set to 0, and the loss measured.
///
///     L(w_S = 0) - L(w)
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param groups     see weight_group
/// @param options    see ablation_options
/// @return           see group_importance_result; exact for each group alone: removals do not add up
/// @throws std::invalid_argument  as estimate_group_effects()
/// @note             1 + G losses per batch for G groups, which plan_group_effects() says before; memory: the largest group
template <class E>
[[nodiscard]] group_importance_result score_ablation(E& evaluator, std::span<const weight_group> groups, const ablation_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::score_by_probe(held, groups, options, true, "score_ablation(evaluator, groups, options)");
}

/// The importance of groups from two small changes of each: the Taylor series along the group's own weights, with all second derivatives
/// between them.
///
///     -w_S·g + w_S' H w_S / 2   from   L((1 ± h) w_S)
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param groups     see weight_group
/// @param options    see ablation_options
/// @return           see group_importance_result
/// @throws std::invalid_argument  as estimate_group_effects()
/// @note             1 + 2 G losses per batch for G groups, twice those of score_ablation(), which is exact: this one is for both orders
///                   apart, and for changes smaller than a removal
template <class E>
[[nodiscard]] group_importance_result score_probe(E& evaluator, std::span<const weight_group> groups, const ablation_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::score_by_probe(held, groups, options, false, "score_probe(evaluator, groups, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/ablation.hpp>
#endif
