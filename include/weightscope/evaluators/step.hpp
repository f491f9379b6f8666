#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/noise.hpp>

namespace weightscope {

/// Steps for differences of the loss, as shares of max(|w|, rms of the tensor).
struct step_result
{
    double forward = 3e-3;    ///< for forward differences
    double central = 3e-3;    ///< for central differences
    double second = 2e-2;     ///< for second differences
    double curvature = 0;     ///< what they are chosen for: second derivative of the mean loss by a typical weight, times that scale squared
    double slope = 0;         ///< first derivative of the mean loss by a typical weight, times that scale: its order of magnitude
    bool measured = false;    ///< false: the curvature did not rise above the noise, the steps are the usual ones
    noise_result noise = {};
    evaluation_counts counts = {};  ///< with those of the noise
};

namespace detail {

inline constexpr double largest_step = 0.1;

WEIGHTSCOPE_INLINE step_result steps_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                        std::uint64_t seed, std::string_view caller);

// The step for one weight: not less than four places of its format.
WEIGHTSCOPE_INLINE double absolute_step(double relative, double weight, double rms, dtype type);

}  // namespace detail

/// Steps that balance the noise of the loss against what the differences leave out.
///
///     forward h = 1.68 √(σ/κ),   central h = ∛(3σ / (√2 κ)),   second differences h = ⁴√(12 √6 σ / κ)
///
/// σ is estimate_noise(), κ the mean second derivative along a random direction in units of max(|w|, rms); steps are at most 0.1.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    batches, tensors, seed
/// @return           see step_result
/// @throws std::invalid_argument  the loss is not finite
/// @note   37 losses per batch for three tensors or more: 24 for the noise, 13 for the curvature
/// @see    Moré & Wild 2012, "Estimating derivatives of noisy simulations", doi:10.1145/2168773.2168777
template <class E>
[[nodiscard]] step_result estimate_steps(E& evaluator, const evaluation_options& options = {})
{
    auto held = detail::hold(evaluator);
    constexpr auto caller = "estimate_steps(evaluator, options)";
    return detail::steps_of(held, detail::chosen_batches(held, options, caller), detail::chosen_tensors(held, options, caller),
                            options.seed, caller);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/step.hpp>
#endif
