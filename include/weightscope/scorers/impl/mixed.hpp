#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/mixed.hpp>

namespace weightscope {

namespace detail {

// Places in ascending order, from 0 to 1; equal scores get the mean of theirs, NaN stays.
inline std::vector<double> rank_shares(std::span<const double> scores)
{
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (!std::isnan(scores[i]))
            order.push_back(i);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
    std::vector<double> result(scores.begin(), scores.end());
    const double last = order.size() > 1 ? static_cast<double>(order.size() - 1) : 1;
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        const double tied = scores[order[begin]];
        for (end = begin + 1; end < order.size() && scores[order[end]] == tied; ++end) {
        }
        for (std::size_t i = begin; i < end; ++i)
            result[order[i]] = static_cast<double>(begin + end - 1) / 2 / last;
    }
    return result;
}

// What `scores` are divided by; 0 where they are all 0.
inline double divisor_of(std::span<const double> scores, score_normalisation normalisation)
{
    double sum = 0, squares = 0, largest = 0, count = 0;
    for (const double s : scores) {
        if (std::isnan(s))
            continue;
        sum += std::fabs(s);
        squares += s * s;
        largest = std::max(largest, std::fabs(s));
        ++count;
    }
    switch (normalisation) {
    case score_normalisation::average: return count > 0 ? sum / count : 0;
    case score_normalisation::rms: return count > 0 ? std::sqrt(squares / count) : 0;
    case score_normalisation::largest: return largest;
    default: return 1;
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE importance_result score_mixed(std::span<const importance_result> parts, const mixed_options& options)
{
    require(!parts.empty(), "score_mixed(parts): there are no parts, expected 1 or more");
    require(options.weights.empty() || options.weights.size() == parts.size(),
            "score_mixed(parts, options): {} weights for {} parts, expected one each", options.weights.size(), parts.size());
    importance_result result{.scores = std::vector<double>(parts[0].scores.size()), .shape = parts[0].shape, .method = "mixed"};
    result.normalisation = to_string(options.normalisation);
    result.group = options.normalisation == score_normalisation::none ? comparison_group::global : comparison_group::tensor;
    result.origin = parts[0].origin;
    for (std::size_t k = 0; k < parts.size(); ++k) {
        const importance_result& part = parts[k];
        require(part.shape == result.shape && part.scores.size() == result.scores.size(),
                "score_mixed(parts): part {} has another shape than part 0", k);
        const double weight = options.weights.empty() ? 1 : options.weights[k];
        require(std::isfinite(weight), "score_mixed(parts, options): weight {} is {}, expected finite", k, weight);
        result.formula += fmt::format("{}{:g} {}", k == 0 ? "" : " + ", weight, part.method);
        result.group = std::min(result.group, part.group);
        result.dead_input_count = std::max(result.dead_input_count, part.dead_input_count);
        result.origin.batches = std::max(result.origin.batches, part.origin.batches);
        result.origin.samples = std::max(result.origin.samples, part.origin.samples);
        if (result.origin.fingerprint.empty())
            result.origin.fingerprint = part.origin.fingerprint;
        if (result.origin.source.empty())
            result.origin.source = part.origin.source;
        const bool ranked = options.normalisation == score_normalisation::rank;
        const std::vector<double> ranks = ranked ? detail::rank_shares(part.scores) : std::vector<double>();
        const std::vector<double>& scores = ranked ? ranks : part.scores;
        const double divisor = detail::divisor_of(scores, options.normalisation), factor = divisor > 0 ? weight / divisor : 0;
        for (std::size_t i = 0; i < scores.size(); ++i)
            result.scores[i] += factor * scores[i];
    }
    for (const double s : result.scores)
        result.unscored_count += std::isnan(s) ? 1 : 0;
    return result;
}

}  // namespace weightscope
