#pragma once

#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/evaluators/self_tester.hpp>

namespace weightscope {

/// Finds out whether an evaluator keeps its promises before a long run relies on them.
///
/// Repeated losses, losses in reverse order, write and read back, reaction of the loss to a change of each tensor, and, where there are
/// gradients, two directional derivatives against differences of the loss. All weights are put back.
///
/// @param evaluator  forward_evaluator
/// @param options    batches, tensors, seed; one or two batches will do
/// @return           see self_test_result: what failed is a field of it, no exception
/// @throws std::invalid_argument  the loss of the unchanged model is not finite
/// @note   per batch: the losses of estimate_noise(), T to 2 T for T tensors, 2 more, and 4 to 12 losses and 1 gradient for the gradient
template <class E>
[[nodiscard]] self_test_result test_evaluator(E& evaluator, const evaluation_options& options = {})
{
    constexpr auto caller = "test_evaluator(evaluator, options)";
    auto held = detail::hold(evaluator);
    const auto batches = detail::chosen_batches(held, options, caller);
    const auto tensors = detail::chosen_tensors(held, options, caller);
    detail::self_tester tester{.evaluator = held, .batches = batches, .tensors = tensors, .seed = options.seed, .caller = caller};
    tester.base = detail::batch_losses(held, batches);
    const loss_value sum = detail::total(tester.base);
    detail::require_usable(sum, caller);
    tester.count = sum.count;
    tester.result.loss = sum.mean();
    tester.check_round_trip();
    if (tester.result.passed()) {  // else nothing below would put the weights back
        tester.result.noise = detail::noise_of(held, batches, tensors, options.seed, caller);
        tester.check_repeatable();
        tester.check_order();
        tester.check_reaction();
        tester.check_gradient();
    }
    tester.result.counts = held.counts();
    return tester.result;
}

}  // namespace weightscope
