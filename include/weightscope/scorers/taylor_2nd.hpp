#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

/// What stands for the second derivative.
enum class curvature_input
{
    automatic,  ///< the Hessian diagonal where it is known, else the Fisher information
    hessian,    ///< importance_info::hessian_diag
    fisher,     ///< importance_info::squared_gradients: never negative, and far too small near a minimum
};

struct taylor_2nd_options
{
    curvature_input curvature = curvature_input::automatic;
    bool standard_errors = false;  ///< keep one for each score, where info has those of the inputs
    double resolution = 0;  ///< standard errors that |h| must reach to count, where info has those of h: what does not is taken for 0
};

namespace detail {

enum class taylor_2nd_form
{
    bound,       // |w g| + w² |h| / 2
    difference,  // -w g + w² h / 2
};

WEIGHTSCOPE_INLINE importance_result score_taylor_2nd(taylor_2nd_form form, const weight_source& weights, std::vector<std::size_t> shape,
                                                      const importance_info& info, const taylor_2nd_options& options, std::string_view name);

}  // namespace detail

/// A bound on the second-order change of the loss when a weight is removed: what the pruning tools in use call second-order Taylor.
///
///     |w g| + w² |h| / 2,   g = dL/dw,   h = d²L/dw² or the empirical Fisher information
///
/// The two orders are taken to add up whatever their signs: score_taylor_2nd_signed() is the estimate itself.
///
/// @param weights  any rank, layout and weight scalar
/// @param info     with gradients, and hessian_diag or squared_gradients
/// @param options  see taylor_2nd_options
/// @return         see importance_result; NaN where a weight or what is known of it is not finite. second_to_first_ratio says whether
///                 the second order has a say at all.
/// @throws std::invalid_argument  info lacks an input, or has not one number for each weight
/// @note           one pass; 8 bytes of memory for each weight. The last bit may differ between processors. Standard errors take those of
///                 both orders as independent, and one that is not known as 0. A Hessian diagonal from few probes can be so noisy that
///                 it spoils the first order: then relative_standard_error is near 1 or above, and options.resolution, 4 for example, keeps
///                 what is clear.
/// @see            Ma, Fang & Wang 2023, arXiv:2305.11627
template <tensor W>
[[nodiscard]] importance_result score_taylor_2nd(const W& weights, const importance_info& info, const taylor_2nd_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_taylor_2nd(detail::taylor_2nd_form::bound, source, {weights.shape().begin(), weights.shape().end()}, info, options,
                                        "taylor_2nd");
    });
}

/// The second-order change of the mean loss when a weight is removed. Negative where the loss should fall.
///
///     L(w = 0) - L(w) = -w g + w² h / 2
///
/// @param weights  any rank, layout and weight scalar
/// @param info     with gradients, and hessian_diag or squared_gradients
/// @param options  see taylor_2nd_options
/// @return         see importance_result; exact for a loss that is quadratic along each weight, with the true h
/// @throws std::invalid_argument  info lacks an input, or has not one number for each weight
/// @note           as score_taylor_2nd()
/// @see            LeCun, Denker & Solla 1989, "Optimal brain damage"
template <tensor W>
[[nodiscard]] importance_result score_taylor_2nd_signed(const W& weights, const importance_info& info, const taylor_2nd_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_taylor_2nd(detail::taylor_2nd_form::difference, source, {weights.shape().begin(), weights.shape().end()}, info,
                                        options, "taylor_2nd_signed");
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/taylor_2nd.hpp>
#endif
