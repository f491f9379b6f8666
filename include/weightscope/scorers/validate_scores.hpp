#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/scorers/rank_correlation.hpp>
#include <weightscope/scorers/removable.hpp>

namespace weightscope {

struct validate_scores_options
{
    std::size_t samples = 200;        ///< things to remove for real; all where there are fewer
    std::uint64_t seed = 0;           ///< of the sample and of the resampling
    std::size_t resamples = 1000;     ///< for the intervals
    double joint_fraction = 0.25;     ///< of the sample, those that score lowest: removed together too; 0: not
    double noise = 0;                 ///< standard deviation of the mean loss's error; 0: measured, as estimate_noise() does
    evaluation_options evaluation = {};  ///< batches, threads, progress, resume; its seed is not used
};

/// One thing that was removed.
struct validated_item
{
    std::size_t item = 0;   ///< its number among the items
    double predicted = 0;
    double measured = 0;    ///< change of the mean loss; NaN where the loss was not finite
};

/// How far a score can be trusted on this model and these data.
struct validation_result
{
    std::vector<validated_item> items = {};   ///< the sample
    bootstrap_figure spearman = {};           ///< of score and change of the loss
    bootstrap_figure kendall = {};            ///< τ_b of the same
    bootstrap_figure spearman_magnitude = {}; ///< of |score| and |change|: for scores that say how much, not which way
    bootstrap_figure calibration_slope = {};  ///< measured over predicted change, by least squares through the origin: 1 for a prediction
    metric top_decile_overlap = {};     ///< share of the tenth that scores highest that is among the tenth that hurts most; chance gives 0.1
    metric bottom_decile_overlap = {};  ///< the same of the tenth that scores lowest and that which hurts least
    metric sign_agreement = {};         ///< share whose prediction has the sign of the change; missing where predictions have one sign
    std::size_t joint_count = 0;        ///< things that were removed together
    metric joint_change = {};           ///< of the mean loss then
    metric joint_sum = {};              ///< of their single changes
    metric interaction_gap = {};        ///< joint_change - joint_sum: what adding up single removals overlooks
    double loss = 0;                    ///< mean loss of the unchanged model
    double noise = 0;                   ///< standard deviation of its error
    std::size_t below_noise_count = 0;  ///< items whose change is less than twice the error of a difference
    std::size_t non_finite_count = 0;   ///< items without which the loss is not finite; in no figure
    std::uint64_t seed = 0;
    evaluation_counts counts = {};
};

namespace detail {

WEIGHTSCOPE_INLINE metric slope_through_origin(std::span<const double> x, std::span<const double> y);

WEIGHTSCOPE_INLINE metric sign_agreement(std::span<const double> predicted, std::span<const double> measured);

WEIGHTSCOPE_INLINE validation_result validate_scores(any_evaluator& evaluator, std::span<const removable> items,
                                                     const validate_scores_options& options, const char* caller);

}  // namespace detail

/// Removes a sample of what was scored for real, and tells how well the score foretold what happened. For any score of anything that can
/// be set to 0: weights, channels, heads, layers.
///
///     const auto items = sample_weights(evaluator.weights(), scores);
///     const validation_result v = validate_scores(evaluator, items, {.samples = 200});
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param items      what can be removed, with the scores; a stratified sample of them is, see sample_removables()
/// @param options    see validate_scores_options
/// @return           see validation_result; intervals hold 95 % of the resamples of the sample
/// @throws std::invalid_argument  fewer than two items have a finite score, an item has no weights or some that do not exist, or the loss
///                                of the unchanged model is not finite
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   samples + 2 losses per batch, and those of estimate_noise() where no noise is given. Nothing of the model's size is held.
template <class E>
[[nodiscard]] validation_result validate_scores(E& evaluator, std::span<const removable> items, const validate_scores_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::validate_scores(held, items, options, "validate_scores(evaluator, items, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/validate_scores.hpp>
#endif
