#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

enum class magnitude_norm
{
    l1,  ///< |w|
    l2,  ///< w²: the same order for single weights, another one for sums over groups
};

struct magnitude_options
{
    magnitude_norm norm = magnitude_norm::l1;
};

namespace detail {

WEIGHTSCOPE_INLINE importance_result score_magnitude(const weight_source& weights, std::vector<std::size_t> shape, const magnitude_options& options);

}  // namespace detail

/// The size of each weight: knows neither the data nor what the network does with them, and costs nothing.
///
///     |w|   or   w²
///
/// @param weights  any rank, layout and weight scalar
/// @param options  see magnitude_options
/// @return         see importance_result; NaN where a weight is not finite
/// @note           one pass; 8 bytes of memory for each weight
template <tensor W>
[[nodiscard]] importance_result score_magnitude(const W& weights, const magnitude_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_magnitude(source, {weights.shape().begin(), weights.shape().end()}, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/magnitude.hpp>
#endif
