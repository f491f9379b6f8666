#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_product.hpp>

namespace weightscope {

struct hessian_trace_options
{
    std::size_t max_probes = 64;  ///< at most this many probes
    double tolerance = 0;         ///< stop when the standard error of the total is this share of it; 0: always max_probes
    double step = 0;              ///< share of the weights' rms; 0: chosen
    curvature_method method = curvature_method::automatic;
    evaluation_options evaluation = {};
};

/// A sum of second derivatives, and how well it is known.
struct trace_estimate
{
    std::size_t tensor = 0;
    double value = 0;           ///< may be negative: Hessians are indefinite away from a minimum
    double standard_error = 0;  ///< from the variance over probes
    double half_width = 0;      ///< of the 95 % interval: Student's t times the standard error, and the rounding error that no probe shows

    /// False where the interval holds 0: then not even the sign is known.
    [[nodiscard]] bool sign_resolved() const { return std::fabs(value) > half_width; }
};

struct hessian_trace_result
{
    trace_estimate total = {};                 ///< of all chosen tensors together; its `tensor` means nothing
    std::vector<trace_estimate> tensors = {};  ///< of the block of each tensor
    std::size_t probes = 0;
    bool converged = false;  ///< the tolerance was reached; false where none was asked for
    curvature_method method = curvature_method::automatic;
    evaluation_counts counts = {};  ///< the choice of the step included
};

namespace detail {

WEIGHTSCOPE_INLINE hessian_trace_result hessian_trace(any_evaluator& evaluator, const hessian_trace_options& options, const char* caller);

}  // namespace detail

/// The trace of the Hessian of the mean loss, tensor by tensor and in all, with error bars.
///
///     tr H = mean over probes of v' H v,   v_i = ±1 at random;   standard error √(2 (‖H‖² - sum of H_ii²) / probes)
///
/// Needs no more than losses; with gradients or Hessian-vector products one probe serves all tensors.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    see hessian_trace_options
/// @return           see hessian_trace_result
/// @throws std::invalid_argument  the method needs what the evaluator has not, or an option is out of range
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   per batch, for K probes of T tensors: K Hessian-vector products and 1 loss, or 2 K + 1 gradients, or 2 K T + 1 losses and
///         those of estimate_steps(). The rule that stops early looks at the standard error after every 8 probes: running means that
///         have stopped to change are no sign of precision.
/// @see    Hutchinson 1990, doi:10.1080/03610919008812866
template <class E>
[[nodiscard]] hessian_trace_result estimate_hessian_trace(E& evaluator, const hessian_trace_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::hessian_trace(held, options, "estimate_hessian_trace(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/hessian_trace.hpp>
#endif
