#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

struct random_baseline_options
{
    std::uint64_t seed = 0;
    std::string name = {};  ///< of the tensor: other names get other numbers
};

namespace detail {

inline importance_result score_random(const weight_source& weights, std::vector<std::size_t> shape, const random_baseline_options& options)
{
    importance_result result{.shape = std::move(shape), .method = "random", .formula = "uniform in [0, 1)", .group = comparison_group::global};
    result.origin.seed = options.seed;
    const counter_random random(options.seed, "random importance", options.name);
    const auto unscored = fill_large(result.scores, weights.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
        std::size_t count = 0;
        weights.read_double(weights.data, begin, end - begin, result.scores.data() + begin);
        for (std::size_t i = begin; i < end; ++i) {
            const bool finite = std::isfinite(result.scores[i]);
            result.scores[i] = finite ? random.uniform(i, 0) : std::numeric_limits<double>::quiet_NaN();
            count += finite ? 0 : 1;
        }
        return count;
    });
    for (const std::size_t count : unscored)
        result.unscored_count += count;
    return result;
}

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
