#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/random_baseline.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE importance_result score_random(const weight_source& weights, std::vector<std::size_t> shape,
                                                  const random_baseline_options& options)
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

}  // namespace weightscope::detail
