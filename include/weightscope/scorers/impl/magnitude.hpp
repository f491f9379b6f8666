#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/magnitude.hpp>
#include <weightscope/scorers/score_kernel.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE importance_result score_magnitude(const weight_source& weights, std::vector<std::size_t> shape, const magnitude_options& options)
{
    importance_result result{.shape = std::move(shape), .method = "magnitude", .group = comparison_group::global};
    result.formula = options.norm == magnitude_norm::l1 ? "|w|" : "w²";
    if (options.norm == magnitude_norm::l1)
        score_into<score_form::magnitude>(result, weights, {}, false);
    else
        score_into<score_form::square>(result, weights, {}, false);
    return result;
}

}  // namespace weightscope::detail
