#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_product.hpp>

namespace weightscope {

struct hessian_diagonal_options
{
    std::size_t max_probes = 64;  ///< at most this many products with the Hessian
    double tolerance = 0;         ///< stop when the standard errors are together this share of the values; 0: always max_probes
    double step = 0;              ///< for differences of gradients, share of the weights' rms; 0: 5e-3 for float gradients, 1e-4 for double
    curvature_method method = curvature_method::automatic;
    evaluation_options evaluation = {};
};

/// Second derivatives of the mean loss by each weight of a tensor.
struct tensor_diagonal
{
    std::size_t tensor = 0;
    std::vector<double> values = {};           ///< row-major; indefinite Hessians have negative ones
    std::vector<double> standard_errors = {};  ///< of the values, from the variance over probes
    double floor = 0;                          ///< rounding error that no probe shows
    double quantile = 0;                       ///< of Student's t, for 95 %

    /// Half of the 95 % interval around a value.
    [[nodiscard]] double half_width(std::size_t i) const { return quantile * standard_errors[i] + floor; }
};

struct hessian_diagonal_result
{
    std::vector<tensor_diagonal> tensors = {};
    std::size_t probes = 0;
    bool converged = false;  ///< the tolerance was reached; false where none was asked for
    curvature_method method = curvature_method::automatic;
    double step = 0;         ///< absolute, 0 for exact products
    evaluation_counts counts = {};
};

namespace detail {

// Between looks at the stopping rule. A rule that looks after each probe stops too early too often.
inline constexpr std::size_t probe_block = 8;

WEIGHTSCOPE_INLINE hessian_diagonal_result hessian_diagonal(any_evaluator& evaluator, const hessian_diagonal_options& options, const char* caller);

}  // namespace detail

/// The diagonal of the Hessian of the mean loss, weight by weight, with error bars.
///
///     H_ii = mean over probes of v_i (H v)_i,   v_i = ±1 at random
///     standard error = √(sum over j ≠ i of H_ij² / probes), measured as the variance over probes
///
/// @param evaluator  differentiable_evaluator or hessian_vector_evaluator; its weights are changed and put back
/// @param options    see hessian_diagonal_options
/// @return           see hessian_diagonal_result; NaN where a weight could not be moved or a gradient was not finite
/// @throws std::invalid_argument  the evaluator has neither gradients nor Hessian-vector products, or an option is out of range
/// @throws cancelled              the progress callback returned false; with a resume file the run can go on later
/// @note   2 K + 1 gradients per batch for K probes, or K Hessian-vector products and 1 loss. Memory: 2 doubles per weight, 2 more for
///         each evaluator at work, and twice the bytes of the chosen tensors. Same results for any number of threads with a
///         deterministic evaluator.
/// @see    Hutchinson 1990, doi:10.1080/03610919008812866; Bekas, Kokiopoulou & Saad 2007, doi:10.1016/j.apnum.2007.01.003
template <class E>
[[nodiscard]] hessian_diagonal_result estimate_hessian_diagonal(E& evaluator, const hessian_diagonal_options& options = {})
{
    auto held = detail::hold(evaluator);
    return detail::hessian_diagonal(held, options, "estimate_hessian_diagonal(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/hessian_diagonal.hpp>
#endif
