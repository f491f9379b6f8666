#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/score_kernel.hpp>
#include <weightscope/scorers/taylor_2nd.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE importance_result score_taylor_2nd(taylor_2nd_form form, const weight_source& weights, std::vector<std::size_t> shape,
                                                      const importance_info& info, const taylor_2nd_options& options, std::string_view name)
{
    const bool signed_change = form == taylor_2nd_form::difference;
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
    result.formula = std::string(signed_change ? "-w g + w² h / 2" : "|w g| + w² |h| / 2") + ", h = "
                   + (fisher ? "empirical Fisher information" : "Hessian diagonal");
    result.predicts_change = signed_change;
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
    if (signed_change)
        score_into<score_form::difference>(result, weights, inputs, options.standard_errors);
    else
        score_into<score_form::bound>(result, weights, inputs, options.standard_errors);
    return result;
}

}  // namespace weightscope::detail
