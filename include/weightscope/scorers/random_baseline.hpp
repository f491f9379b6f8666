#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

struct random_baseline_options
{
    std::uint64_t seed = 0;
    std::string name = {};  ///< of the tensor: other names get other numbers
};

namespace detail {

WEIGHTSCOPE_INLINE importance_result score_random(const weight_source& weights, std::vector<std::size_t> shape,
                                                  const random_baseline_options& options);

}  // namespace detail

/// Numbers that know nothing: what every other score has to beat.
///
/// @param weights  any rank, layout and weight scalar
/// @param options  see random_baseline_options
/// @return         see importance_result; NaN where a weight is not finite, so that masks compare. The number of a weight depends on seed,
///                 name and place alone.
template <tensor W>
[[nodiscard]] importance_result score_random(const W& weights, const random_baseline_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_random(source, {weights.shape().begin(), weights.shape().end()}, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/random_baseline.hpp>
#endif
