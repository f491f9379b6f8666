#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>

namespace weightscope {

/// What to collect, and from what.
struct importance_options
{
    bool activations = true;         ///< of the inputs of linear layers, for score_wanda()
    bool gradients = true;           ///< of the mean loss, for score_taylor()
    bool fisher = false;             ///< squared gradients of samples; gradients then come from samples too, with standard errors
    bool hessian = false;            ///< Hessian diagonal with standard errors, for the second order
    bool standard_errors = true;     ///< of gradients and their squares, where samples show them
    std::size_t drop_first_of = 0;   ///< tokens of a sequence, the first of which does not count among the activations; 0: all count
    hessian_diagonal_options curvature = {.max_probes = 32};  ///< its `evaluation` is not used
    std::string fingerprint = {};    ///< of the calibration data, see select_calibration(); goes into the results
    evaluation_options evaluation = {};  ///< batches, tensors, seed, threads, progress, resume for the Hessian
};

/// What estimate_importance() will cost, known before it starts.
struct importance_plan
{
    evaluation_plan evaluation = {};   ///< calls, seconds on one thread, and bytes at the worst moment, beyond the evaluator's own
    std::size_t observations = 0;      ///< batches that are run for the activations
    std::size_t batches = 0;
    std::size_t samples = 0;           ///< 0 where the evaluator does not count them
    double kept_bytes = 0;             ///< of evaluation.memory_bytes: of the results
};

namespace detail {

// An evaluator, and what its type has beyond any_evaluator.
struct importance_evaluator
{
    any_evaluator* evaluator = nullptr;
    std::function<void(std::size_t batch, const activation_tap& tap)> observe = {};
    std::function<std::size_t(std::size_t batch)> sample_count = {};
};

template <class E>
importance_evaluator importance_evaluator_of(E& evaluator, any_evaluator& held)
{
    importance_evaluator result{.evaluator = &held};
    if constexpr (activation_evaluator<E>)
        if (shows_activations(evaluator))
            result.observe = [&evaluator](std::size_t batch, const activation_tap& tap) { evaluator.observe(batch, tap); };
    if constexpr (requires(std::size_t batch) { { evaluator.sample_count(batch) } -> std::convertible_to<std::size_t>; })
        result.sample_count = [&evaluator](std::size_t batch) -> std::size_t { return evaluator.sample_count(batch); };
    return result;
}

WEIGHTSCOPE_INLINE std::size_t samples_of(const importance_evaluator& asked, const std::vector<std::size_t>& batches);

WEIGHTSCOPE_INLINE void require_possible(const importance_evaluator& asked, const importance_options& options, std::string_view caller);

WEIGHTSCOPE_INLINE importance_plan plan_importance(const importance_evaluator& asked, const importance_options& options);

}  // namespace detail

/// Says what estimate_importance() with these options will cost.
///
/// @param evaluator  see estimate_importance()
/// @param options    see importance_options
/// @return           calls exactly (at most so many for the Hessian with a tolerance), seconds from one batch of each kind, and memory
/// @throws std::invalid_argument  the evaluator lacks something, or a tensor or batch does not exist
/// @note             costs one loss, and one gradient where those are needed
template <class E>
[[nodiscard]] importance_plan plan_importance(E& evaluator, const importance_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::plan_importance(detail::importance_evaluator_of(evaluator, held), options);
}

/// A plan as one line for people.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string describe(const importance_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/importance_plan.hpp>
#endif
