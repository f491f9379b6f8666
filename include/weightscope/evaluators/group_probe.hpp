#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_group.hpp>

namespace weightscope {

struct group_probe_options
{
    bool ablate = true;        ///< set each group to zero: its exact effect, one forward
    bool scale = true;         ///< scale each group a little up and down: both orders of the Taylor series along it, two forwards
    double step = 0.0625;      ///< for scaling, (0, 1]; formats of few bits are rounded at random, with the realised scale
    double noise = 0;          ///< standard deviation of the mean loss's error, for the errors; 0: half a place of the loss in double
    evaluation_options evaluation = {};
};

/// How the mean loss depends on one group of weights w.
struct group_effect
{
    std::size_t group = 0;
    double removal = 0;           ///< L(without the group) - L; NaN where it was not asked for or is not finite
    double first_order = 0;       ///< w·g: the loss falls by this per share of the group that is taken away
    double first_order_error = 0; ///< standard deviation due to noise
    double second_order = 0;      ///< w'H w, with all that lies off the diagonal
    double second_order_error = 0;
    double removal_batch_error = std::numeric_limits<double>::quiet_NaN();    ///< standard error of removal over the batches; NaN for one batch
    double predicted_batch_error = std::numeric_limits<double>::quiet_NaN();  ///< the same of predicted_removal()

    /// The loss that the Taylor series predicts for the removal: -w·g + w'H w / 2.
    [[nodiscard]] double predicted_removal() const { return -first_order + second_order / 2; }
};

struct group_probe_result
{
    std::vector<group_effect> groups = {};
    double loss = 0;  ///< mean loss of the unchanged model
    evaluation_counts counts = {};
};

namespace detail {

WEIGHTSCOPE_INLINE group_probe_result group_probe(any_evaluator& evaluator, std::span<const weight_group> groups, const group_probe_options& options,
                                                  const char* caller);

}  // namespace detail

/// What groups of weights mean to the mean loss, from losses alone.
///
///     removal      = L(w = 0) - L(w)
///     first order  = w·g    from L((1 ± h) w)
///     second order = w'H w  from the same two
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param groups     any weights, in any number of tensors; weights of tied tensors count once
/// @param options    see group_probe_options
/// @return           see group_probe_result
/// @throws std::invalid_argument  a group has no weights or some that do not exist, or the loss of the unchanged model is not finite
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   per batch, for G groups: 1 + G losses for removal and 2 G for scaling. Memory: the largest group. Removals do not add up:
///         remove the groups you choose together before you rely on it.
template <class E>
[[nodiscard]] group_probe_result estimate_group_effects(E& evaluator, std::span<const weight_group> groups, const group_probe_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::group_probe(held, groups, options, "estimate_group_effects(evaluator, groups, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/group_probe.hpp>
#endif
