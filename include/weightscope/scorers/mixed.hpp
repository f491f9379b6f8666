#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

/// What the scores of a tensor are divided by before they are added up with others.
enum class score_normalisation
{
    none,
    average,  ///< mean |score| of the tensor
    rms,      ///< √(mean score²) of the tensor
    largest,  ///< max |score| of the tensor
    rank,     ///< not divided: each score becomes its place in the tensor's order, 0 for the lowest to 1 for the highest; ties share theirs
};

[[nodiscard]] constexpr std::string_view to_string(score_normalisation normalisation)
{
    constexpr std::string_view names[] = {"none", "average", "rms", "largest", "rank"};
    return names[static_cast<std::size_t>(normalisation)];
}

struct mixed_options
{
    std::vector<double> weights = {};  ///< one for each part; empty: all 1
    score_normalisation normalisation = score_normalisation::average;
};

/// A weighted sum of several scores of the same tensor.
///
///     sum over parts k of c_k s_k / n_k,   n_k as the normalisation says
///
/// @param parts    results for one tensor, at least one
/// @param options  see mixed_options
/// @return         see importance_result; NaN where one part is. Normalised scores compare within the tensor at most, others as the
///                 narrowest part does.
/// @throws std::invalid_argument  there are no parts, they differ in shape, or there is not one weight for each
[[nodiscard]] WEIGHTSCOPE_INLINE importance_result score_mixed(std::span<const importance_result> parts, const mixed_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/mixed.hpp>
#endif
