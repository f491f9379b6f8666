#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

struct taylor_options
{
    bool standard_errors = false;  ///< keep one for each score, where info has those of the gradients
    bool keep_sign = false;        ///< -w g, the first-order change itself, whose sum over a group is that of the group
};

namespace detail {

WEIGHTSCOPE_INLINE importance_result score_taylor(const weight_source& weights, std::vector<std::size_t> shape, const importance_info& info,
                                                  const taylor_options& options);

}  // namespace detail

/// The first-order size of the change of the loss when a weight is removed.
///
///     |w g|,   g = dL/dw;   with options.keep_sign -w g
///
/// @param weights  any rank, layout and weight scalar
/// @param info     with gradients
/// @param options  see taylor_options
/// @return         see importance_result; NaN where a weight or its gradient is not finite
/// @throws std::invalid_argument  info has no gradients, or not one for each weight
/// @note           one pass; 8 bytes of memory for each weight. At a minimum of the loss gradients are noise: see relative_standard_error,
///                 and score_taylor_2nd_signed
/// @see            Molchanov et al. 2017, arXiv:1611.06440
template <tensor W>
[[nodiscard]] importance_result score_taylor(const W& weights, const importance_info& info, const taylor_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_taylor(source, {weights.shape().begin(), weights.shape().end()}, info, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/taylor.hpp>
#endif
