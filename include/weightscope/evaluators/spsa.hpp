#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>

namespace weightscope {

struct spsa_options
{
    std::size_t probes = 64;   ///< two forwards each
    double step = 1e-3;        ///< share of the weights' rms
    bool allow_noise = false;  ///< take values whose errors are larger than themselves
    evaluation_options evaluation = {};
};

struct spsa_result
{
    std::vector<std::size_t> tensors = {};
    std::vector<std::vector<double>> gradients = {};        ///< [tensor][element] of the mean loss
    std::vector<std::vector<double>> standard_errors = {};  ///< as large as the whole gradient's norm over √probes: seldom of use
    double predicted_relative_error = 0;                    ///< √((p - 1) / probes) of the gradient as one vector
    evaluation_counts counts = {};
};

/// The relative error of a gradient of `weights` numbers from simultaneous perturbation, noise aside: √((p - 1) / probes).
[[nodiscard]] WEIGHTSCOPE_INLINE double spsa_relative_error(std::size_t weights, std::size_t probes);

namespace detail {

WEIGHTSCOPE_INLINE spsa_result spsa(any_evaluator& evaluator, const spsa_options& options, const char* caller);

}  // namespace detail

/// The gradient by simultaneous perturbation, where that is honest: refused where its error is larger than the gradient.
///
///     g_i = mean over probes of v_i (L(w + h v) - L(w - h v)) / 2h;   relative error √((p - 1) / probes) for p weights
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    see spsa_options; choose tensors so that they have few weights
/// @return           see spsa_result
/// @throws std::invalid_argument  fewer probes than weights and allow_noise is not set
/// @note   2 K + 1 losses per batch for K probes; 3 doubles per weight
/// @see    Spall 1992, doi:10.1109/9.119632
template <class E>
[[nodiscard]] spsa_result estimate_spsa_gradient(E& evaluator, const spsa_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::spsa(held, options, "estimate_spsa_gradient(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/spsa.hpp>
#endif
