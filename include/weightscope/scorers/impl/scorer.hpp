#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/magnitude.hpp>
#include <weightscope/scorers/random_baseline.hpp>
#include <weightscope/scorers/scorer.hpp>
#include <weightscope/scorers/taylor.hpp>
#include <weightscope/scorers/taylor_2nd.hpp>
#include <weightscope/scorers/wanda.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE importance_result score_weights(const weight_source& weights, const std::vector<std::size_t>& shape, const importance_info& info,
                                                   const scorer_options& options)
{
    switch (options.method) {
    case importance_method::taylor: return score_taylor(weights, shape, info, options.taylor);
    case importance_method::taylor_2nd: return score_taylor_2nd(taylor_2nd_form::bound, weights, shape, info, options.taylor_2nd, "taylor_2nd");
    case importance_method::taylor_2nd_signed:
        return score_taylor_2nd(taylor_2nd_form::difference, weights, shape, info, options.taylor_2nd, "taylor_2nd_signed");
    case importance_method::wanda:
        require(shape.size() >= 2, "score_wanda(weights, info): weights have rank {}, expected 2 or more", shape.size());
        return score_wanda(matrix_of(weights, shape[0]), shape, info, options.wanda);
    case importance_method::random: return score_random(weights, shape, options.random);
    case importance_method::magnitude: break;
    }
    return score_magnitude(weights, shape, options.magnitude);
}

}  // namespace weightscope::detail
