#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/score_kernel.hpp>

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

template <score_form Form>
importance_result score_taylor_2nd(const weight_source& weights, std::vector<std::size_t> shape, const importance_info& info,
                                   const taylor_2nd_options& options, std::string_view name)
{
    const std::string caller = "score_" + std::string(name) + "(weights, info)";
    const bool fisher = options.curvature == curvature_input::fisher
                     || (options.curvature == curvature_input::automatic && info.hessian_diag.empty());
    require_input(info.gradients, weights.size, caller, "gradients");
    require(options.curvature != curvature_input::automatic || !info.hessian_diag.empty() || !info.squared_gradients.empty() || weights.size == 0,
            "{}: info has neither hessian_diag nor squared_gradients, expected one of them: without it this is score_taylor()", caller);
    const importance_values& curvature = fisher ? info.squared_gradients : info.hessian_diag;
    const importance_values& curvature_errors = fisher ? info.squared_gradient_errors : info.hessian_errors;
    require_input(curvature, weights.size, caller, fisher ? "squared_gradients" : "hessian_diag");

    require(options.resolution >= 0, "{}: options.resolution is {}, expected 0 or more", caller, options.resolution);
    importance_result result{.shape = std::move(shape), .method = std::string(name), .group = comparison_group::global};
    result.formula = std::string(Form == score_form::bound ? "|w g| + w² |h| / 2" : "-w g + w² h / 2") + ", h = "
                   + (fisher ? "empirical Fisher information" : "Hessian diagonal");
    result.predicts_change = Form == score_form::difference;
    result.origin = info.origin;
    score_inputs inputs{.gradients = &info.gradients, .curvatures = &curvature};
    if (!info.gradient_errors.empty()) {
        require_input(info.gradient_errors, weights.size, caller, "gradient_errors");
        inputs.gradient_errors = &info.gradient_errors;
    }
    if (!curvature_errors.empty()) {
        require_input(curvature_errors, weights.size, caller, fisher ? "squared_gradient_errors" : "hessian_errors");
        inputs.curvature_errors = &curvature_errors;
        inputs.resolution = options.resolution;
        if (options.resolution > 0)
            result.formula += fmt::format(", 0 below {:g} standard errors", options.resolution);
    }
    score_into<Form>(result, weights, inputs, options.standard_errors);
    return result;
}

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
        return detail::score_taylor_2nd<detail::score_form::bound>(source, {weights.shape().begin(), weights.shape().end()}, info, options,
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
        return detail::score_taylor_2nd<detail::score_form::difference>(source, {weights.shape().begin(), weights.shape().end()}, info,
                                                                        options, "taylor_2nd_signed");
    });
}

}  // namespace weightscope
