#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/storage_step.hpp>

namespace weightscope {

enum class difference_method
{
    forward,    ///< one forward per weight: first derivatives
    central,    ///< two per weight: first derivatives, and second ones along with them
    curvature,  ///< the same with steps for second derivatives
};

/// One weight.
struct weight_position
{
    std::size_t tensor = 0;
    std::size_t element = 0;  ///< row-major

    friend bool operator==(const weight_position&, const weight_position&) = default;
};

struct differences_options
{
    difference_method method = difference_method::central;
    std::vector<weight_position> positions = {};  ///< empty: every weight of the chosen tensors
    double step = 0;  ///< share of max(|w|, rms of the tensor); 0: chosen by estimate_steps()
    double noise = 0; ///< standard deviation of the mean loss's error, for the errors; 0: measured with the step, or unknown if that is given
    evaluation_options evaluation = {};
};

/// Derivatives of the mean loss by one weight.
struct weight_derivatives
{
    weight_position position = {};
    double gradient = 0;         ///< NaN where a changed model's loss was not finite
    double gradient_error = 0;   ///< standard deviation due to the noise of the loss; the terms that a difference leaves out come on top
    double curvature = 0;        ///< second derivative; NaN for forward differences
    double curvature_error = 0;
    double up = 0;               ///< realised distances of the two points, as stored
    double down = 0;             ///< 0 for forward differences
};

struct differences_result
{
    std::vector<weight_derivatives> weights = {};  ///< in the order of the positions
    std::size_t non_finite_count = 0;              ///< weights whose change made the loss NaN or Inf
    double loss = 0;                               ///< mean loss of the unchanged model
    double step = 0;                               ///< relative step that was used
    double noise = 0;                              ///< sigma that the errors are for
    evaluation_counts counts = {};                 ///< what was evaluated, the choice of the step included
};

namespace detail {

// First and second derivative of the parabola through (0, 0), (a, at_a), (b, at_b), with the errors that noise makes in them.
WEIGHTSCOPE_INLINE void fit_parabola(double a, double at_a, double b, double at_b, double sigma, weight_derivatives& out);

// Two stored neighbours of a weight, one above and one below where there is room; else both on the side that has some.
WEIGHTSCOPE_INLINE std::pair<storage_step, storage_step> neighbours(dtype type, std::span<const std::byte> weight, double step);

WEIGHTSCOPE_INLINE std::vector<weight_position> all_positions(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors);

WEIGHTSCOPE_INLINE differences_result differences(any_evaluator& evaluator, const differences_options& options, const char* caller);

}  // namespace detail

/// Derivatives of the mean loss by single weights, from losses alone.
///
///     forward:  dL = (L(w + a) - L(w)) / a
///     central:  the parabola through L(w), L(w + a), L(w - b)
///
/// a and b are the distances of the numbers that were really stored, never a nominal step: for bfloat16 that is the difference between
/// errors of 10 % and of 0.1 %. With float8 they are tenths of the weight: then these are differences, not derivatives.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    see differences_options
/// @return           see differences_result
/// @throws std::invalid_argument  a tensor, element or batch does not exist, or the loss of the unchanged model is not finite
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   N + 1 losses per batch for N weights (forward), 2 N + 1 (central, curvature), and those of estimate_steps() where no step is
///         given. Same results for any number of threads with a deterministic evaluator.
template <class E>
[[nodiscard]] differences_result estimate_differences(E& evaluator, const differences_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::differences(held, options, "estimate_differences(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/differences.hpp>
#endif
