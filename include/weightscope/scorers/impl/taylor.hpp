#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/score_kernel.hpp>
#include <weightscope/scorers/taylor.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE importance_result score_taylor(const weight_source& weights, std::vector<std::size_t> shape, const importance_info& info,
                                                  const taylor_options& options)
{
    require_input(info.gradients, weights.size, "score_taylor(weights, info)", "gradients");
    importance_result result{.shape = std::move(shape), .method = "taylor", .formula = options.keep_sign ? "-w g" : "|w g|"};
    result.group = comparison_group::global;
    result.predicts_change = options.keep_sign;
    result.origin = info.origin;
    score_inputs inputs{.gradients = &info.gradients};
    if (!info.gradient_errors.empty()) {
        require_input(info.gradient_errors, weights.size, "score_taylor(weights, info)", "gradient_errors");
        inputs.gradient_errors = &info.gradient_errors;
    }
    if (options.keep_sign)
        score_into<score_form::first>(result, weights, inputs, options.standard_errors);
    else
        score_into<score_form::taylor>(result, weights, inputs, options.standard_errors);
    return result;
}

}  // namespace weightscope::detail
